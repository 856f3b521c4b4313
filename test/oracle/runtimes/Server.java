// Server WAY: see README.md.
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.ArrayList;
import java.util.List;

class Server {
    static Socket accept(ServerSocket listener) throws Exception {
        Socket connection = listener.accept();
        connection.getOutputStream().write("Hello.".getBytes());
        return connection;
    }

    static int deeper(int depth) {
        return deeper(depth + 1) + depth;
    }

    static void fail(ServerSocket listener) {
        try {
            accept(listener);
        } catch (Exception error) {
            System.exit(99);
        }
        throw new IllegalStateException("nobody catches this");
    }

    static void drop(ServerSocket listener) throws Exception {
        accept(listener);
    }

    static void raise(String signal) throws Exception {
        new ProcessBuilder("kill", "-" + signal, "" + ProcessHandle.current().pid()).start().waitFor();
        Thread.sleep(20000);
    }

    static void end(String way, Socket connection) throws Exception {
        switch (way) {
        case "close": connection.close(); break;
        case "exit-0": System.exit(0); break;
        case "exit-3": System.exit(3); break;
        case "exception": throw new IllegalStateException("nobody catches this");
        case "abort": raise("ABRT"); break;
        case "segv": raise("SEGV"); break;
        case "stack": System.out.println(deeper(0)); break;
        case "oom":
            List<byte[]> garbage = new ArrayList<>();
            for (;;)
                garbage.add(new byte[1 << 20]);
        }
    }

    public static void main(String[] words) throws Exception {
        ServerSocket listener = new ServerSocket(0, 1, InetAddress.getLoopbackAddress());
        System.out.println("port " + listener.getLocalPort());
        Socket connection = null;
        if (words[0].equals("thread")) {
            Thread worker = new Thread(() -> fail(listener));
            worker.start();
            worker.join();
        } else if (words[0].equals("drop")) {
            drop(listener);
            System.gc();
        } else {
            connection = accept(listener);
            end(words[0], connection);
        }
        System.out.println("waiting");
        Thread.sleep(20000);
    }
}
