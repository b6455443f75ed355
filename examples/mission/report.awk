# SPDX-License-Identifier: Apache-2.0
FILENAME ~ /spectrum/ { levels = levels " " $1 }
FILENAME ~ /energy/ { energy = $1 }
END { print "energy " energy; print "levels" levels }
