import java.util.*;

/** Work UNITS: threads that make garbage, beside one that stops all of them again and again; prints the seconds. */
public class Work {
    static volatile Object kept;

    static void makeGarbage(int units) {
        for (int i = 0; i < units; i++) {
            Map<Integer, String> map = new HashMap<>();
            for (int j = 0; j < 1000; j++)
                map.put(j, "value " + j);
            kept = map;
        }
    }

    static double round(int units) throws Exception {
        long begin = System.nanoTime();
        Thread[] threads = new Thread[4];
        for (int i = 0; i < threads.length; i++)
            (threads[i] = new Thread(() -> makeGarbage(units))).start();
        for (Thread thread : threads)
            while (thread.isAlive()) {
                Thread.getAllStackTraces(); // a safepoint
                thread.join(5);
            }
        return (System.nanoTime() - begin) / 1e9;
    }

    public static void main(String[] words) throws Exception {
        int units = Integer.parseInt(words[0]);
        round(units);
        System.out.println(round(units));
    }
}
