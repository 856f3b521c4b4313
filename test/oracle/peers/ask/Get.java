// Get URL: Java's HttpClient reads an answer to its end; status 1 if that is an error.
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;

public class Get {
    public static void main(String[] arguments) {
        try {
            HttpRequest request = HttpRequest.newBuilder(URI.create(arguments[0])).version(HttpClient.Version.HTTP_1_1).build();
            HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofByteArray());
        } catch (Exception error) {
            System.exit(1);
        }
    }
}
