# SPDX-License-Identifier: Apache-2.0
# What `cmake --install` puts where: libraries, public headers, the program with its pages and completion, and what
# pkg-config and find_package need. Nothing installed holds the path of the tree it came from.
include(CMakePackageConfigHelpers)
if(NOT TARGET larder)
  return()
endif()

set(cmake_folder "${CMAKE_INSTALL_LIBDIR}/cmake/Larder")
install(TARGETS larder EXPORT LarderTargets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(TARGETS larder_static EXPORT LarderStaticTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY "${CMAKE_SOURCE_DIR}/include/larder" DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
install(EXPORT LarderTargets NAMESPACE Larder:: DESTINATION ${cmake_folder})
install(EXPORT LarderStaticTargets NAMESPACE Larder:: DESTINATION ${cmake_folder})
string(REPLACE ";" " " LARDER_FFTW_LIBRARIES_TEXT "${LARDER_FFTW_LIBRARIES}")
configure_package_config_file("${CMAKE_SOURCE_DIR}/packaging/LarderConfig.cmake.in" "${CMAKE_BINARY_DIR}/LarderConfig.cmake"
  INSTALL_DESTINATION ${cmake_folder})
write_basic_package_version_file("${CMAKE_BINARY_DIR}/LarderConfigVersion.cmake" COMPATIBILITY SameMinorVersion)
install(FILES "${CMAKE_BINARY_DIR}/LarderConfig.cmake" "${CMAKE_BINARY_DIR}/LarderConfigVersion.cmake"
  DESTINATION ${cmake_folder})

# The prefix is found from where larder.pc lies, so that an installed tree can be moved.
file(RELATIVE_PATH pc_up "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
string(REGEX REPLACE "/$" "" pc_up "${pc_up}")
configure_file("${CMAKE_SOURCE_DIR}/packaging/larder.pc.in" "${CMAKE_BINARY_DIR}/larder.pc" @ONLY)
install(FILES "${CMAKE_BINARY_DIR}/larder.pc" DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
install(FILES "${CMAKE_SOURCE_DIR}/LICENSE" DESTINATION ${CMAKE_INSTALL_DOCDIR})

if(TARGET larder_cli)
  install(TARGETS larder_cli RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  # The program writes its own pages and completions.
  set(pages "${CMAKE_BINARY_DIR}/pages")
  install(CODE "
    file(MAKE_DIRECTORY \"${pages}/man1\")
    execute_process(COMMAND \"$<TARGET_FILE:larder_cli>\" help --man-pages \"${pages}/man1\" COMMAND_ERROR_IS_FATAL ANY)
    foreach(shell bash zsh fish)
      execute_process(COMMAND \"$<TARGET_FILE:larder_cli>\" completion \${shell} OUTPUT_FILE \"${pages}/\${shell}\"
                      COMMAND_ERROR_IS_FATAL ANY)
    endforeach()")
  install(DIRECTORY "${pages}/man1" DESTINATION ${CMAKE_INSTALL_MANDIR} FILES_MATCHING PATTERN "*.1")
  install(FILES "${pages}/bash" DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME larder)
  install(FILES "${pages}/zsh" DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions RENAME _larder)
  install(FILES "${pages}/fish" DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d RENAME larder.fish)
endif()
