/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Caffeine as a peer: fills a cache with every key of the trace, says "ready", then replays a stretch of it for each line
 * "FROM COUNT THREADS MIX" (MIX 1: every write of the trace is a put) and answers the nanoseconds an operation: with
 * THREADS 0 those of the process's processor time, its maintenance included, which on one core is all there is; for
 * "bytes" it answers the heap bytes an entry takes. Keys are boxed longs or strings, as a Java program would have them.
 *
 * usage: PeerCaffeine TRACE KEY_LEN VALUE_LEN
 */
import com.github.benmanes.caffeine.cache.Cache;
import com.github.benmanes.caffeine.cache.Caffeine;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Paths;
import java.util.concurrent.CyclicBarrier;

final class PeerCaffeine {
  private static Cache<Object, byte[]> cache;
  private static int keyCount;
  private static int keyLength;
  private static int[] ids;
  private static long[] askedLongs;
  private static String[] askedStrings;
  private static byte[] writes;
  private static int valueLength;
  private static volatile long sink;

  private static long scramble(long x) {
    x += 0x9e3779b97f4a7c15L;
    x = (x ^ (x >>> 30)) * 0xbf58476d1ce4e5b9L;
    x = (x ^ (x >>> 27)) * 0x94d049bb133111ebL;
    return x ^ (x >>> 31);
  }

  private static Object keyOf(int id) {
    long low = scramble(id);
    if (keyLength == 8) return Long.valueOf(low);
    char[] digits = new char[32];
    long high = scramble(low);
    for (int i = 0; i < 16; i++) {
      digits[i] = Character.forDigit((int) (low >>> (60 - 4 * i)) & 15, 16);
      digits[16 + i] = Character.forDigit((int) (high >>> (60 - 4 * i)) & 15, 16);
    }
    return new String(digits);
  }

  private static void load(String path) throws Exception {
    try (FileChannel file = FileChannel.open(Paths.get(path))) {
      ByteBuffer bytes = file.map(FileChannel.MapMode.READ_ONLY, 0, file.size()).order(ByteOrder.LITTLE_ENDIAN);
      keyCount = (int) bytes.getLong();
      int operations = (int) bytes.getLong();
      ids = new int[operations];
      writes = new byte[operations];
      for (int i = 0; i < operations; i++) ids[i] = bytes.getInt();
      bytes.get(writes);
    }
  }

  private static void fill() {
    cache = Caffeine.newBuilder().maximumSize(keyCount + keyCount / 8).initialCapacity(keyCount).build();
    for (int id = 0; id < keyCount; id++) {
      byte[] value = new byte[valueLength];
      ByteBuffer.wrap(value).order(ByteOrder.LITTLE_ENDIAN).putLong(id);
      cache.put(keyOf(id), value);
    }
    cache.cleanUp();
  }

  /* The keys lie in the order in which they are asked for, as they do for every side; a long is boxed for its get. */
  private static void ask() {
    if (keyLength == 8) askedLongs = new long[ids.length];
    else askedStrings = new String[ids.length];
    for (int i = 0; i < ids.length; i++) {
      if (keyLength == 8) askedLongs[i] = scramble(ids[i]);
      else askedStrings[i] = (String) keyOf(ids[i]);
    }
  }

  private static long gets(int from, int to) {
    long sum = 0;
    for (int i = from; i < to; i++) {
      Object key = askedLongs != null ? (Object) askedLongs[i] : askedStrings[i];
      byte[] value = cache.getIfPresent(key);
      if (value == null) throw new IllegalStateException("a key is missing");
      sum += value[0];
    }
    return sum;
  }

  private static long mix(int from, int to) {
    long sum = 0;
    for (int i = from; i < to; i++) {
      Object key = askedLongs != null ? (Object) askedLongs[i] : askedStrings[i];
      if (writes[i] != 0) {
        byte[] value = new byte[valueLength];
        cache.put(key, value);
        continue;
      }
      byte[] value = cache.getIfPresent(key);
      if (value == null) throw new IllegalStateException("a key is missing");
      sum += value[0];
    }
    return sum;
  }

  private static long run(int from, int count, int threads, boolean mixed) throws Exception {
    long[] begin = new long[threads];
    long[] end = new long[threads];
    CyclicBarrier barrier = new CyclicBarrier(threads);
    Thread[] workers = new Thread[threads];
    for (int t = 0; t < threads; t++) {
      final int thread = t;
      int start = (int) (((long) from + (long) thread * ids.length / threads) % ids.length);
      final int first = Math.min(start, ids.length - count);
      Runnable work = () -> {
        try {
          barrier.await();
          begin[thread] = System.nanoTime();
          sink += mixed ? mix(first, first + count) : gets(first, first + count);
          end[thread] = System.nanoTime();
        } catch (Exception e) {
          throw new IllegalStateException(e);
        }
      };
      if (threads == 1) {
        work.run();
      } else {
        workers[t] = new Thread(work);
        workers[t].start();
      }
    }
    for (Thread worker : workers) if (worker != null) worker.join();
    long least = Long.MAX_VALUE;
    long greatest = 0;
    for (int t = 0; t < threads; t++) {
      least = Math.min(least, begin[t]);
      greatest = Math.max(greatest, end[t]);
    }
    return greatest - least;
  }

  private static long processor() {
    return ((com.sun.management.OperatingSystemMXBean) java.lang.management.ManagementFactory.getOperatingSystemMXBean())
        .getProcessCpuTime();
  }

  private static long used() throws Exception {
    for (int i = 0; i < 3; i++) System.gc();
    return Runtime.getRuntime().totalMemory() - Runtime.getRuntime().freeMemory();
  }

  public static void main(String[] args) throws Exception {
    keyLength = Integer.parseInt(args[1]);
    valueLength = Integer.parseInt(args[2]);
    load(args[0]);
    long before = used();
    fill();
    double bytes = (double) Math.max(0, used() - before) / keyCount;
    ask();
    int warm = Math.min(ids.length, 1000000);
    for (int i = 0; i < 3; i++) run(0, warm, 1, i == 1);
    System.out.println("ready");
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      if (line.equals("bytes")) {
        System.out.println(bytes);
        continue;
      }
      String[] words = line.split(" ");
      int count = Integer.parseInt(words[1]);
      int threads = Math.max(1, Integer.parseInt(words[2]));
      long cpu = -processor();
      long took = run(Integer.parseInt(words[0]), count, threads, words[3].equals("1"));
      cpu += processor();
      if (words[2].equals("0") && cpu > 0) took = cpu; // it moves in steps of 10 ms; a tiny run may see none
      System.out.println((double) took / ((double) count * threads));
    }
  }
}
