// Get URL...: Java's HttpClient reads an answer to its end; status 1 if that is an error. Between two URLs it says "next", and
// waits for a line.
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;

public class Get {
    public static void main(String[] arguments) {
        HttpClient client = HttpClient.newHttpClient();
        try {
            for (int i = 0; i < arguments.length; i++) {
                if (i > 0) {
                    System.out.println("next");
                    while (System.in.read() != '\n') {
                    }
                }
                HttpRequest request = HttpRequest.newBuilder(URI.create(arguments[i])).version(HttpClient.Version.HTTP_1_1).build();
                client.send(request, HttpResponse.BodyHandlers.ofByteArray());
            }
        } catch (Exception error) {
            System.exit(1);
        }
    }
}
