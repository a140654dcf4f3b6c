// Talks and publishes in a room of the server at the address that is given, with the HTTP client of Java alone: it sends
// `Content-Length: 0` in its handshake, offers h2c with its first requests, and uses its connections again.

import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.WebSocket;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

class Client implements WebSocket.Listener {
    private final BlockingQueue<String> received = new LinkedBlockingQueue<>();
    private final StringBuilder text = new StringBuilder();

    @Override
    public CompletionStage<?> onText(WebSocket socket, CharSequence part, boolean isLast) {
        text.append(part);
        if (isLast) {
            received.add(text.toString());
            text.setLength(0);
        }
        socket.request(1);
        return null;
    }

    private void receives(String expected) throws InterruptedException {
        var next = received.poll(30, TimeUnit.SECONDS);
        if (!expected.equals(next)) {
            throw new AssertionError("received " + next + " instead of " + expected);
        }
    }

    public static void main(String[] arguments) throws Exception {
        var client = HttpClient.newHttpClient();
        var anna = new Client();
        var room = URI.create("ws://" + arguments[0] + "/websocket/news");
        var socket = client.newWebSocketBuilder().buildAsync(room, anna).get(30, TimeUnit.SECONDS);
        anna.receives("world");
        socket.sendText("hello", true).get(30, TimeUnit.SECONDS);
        anna.receives("hello");
        var messages = URI.create("http://" + arguments[0] + "/rooms/news/messages");
        for (var number = 0; number < 500; number++) {
            var post = HttpRequest.newBuilder(messages).header("Content-Type", "text/plain")
                .POST(HttpRequest.BodyPublishers.ofString("post " + number)).build();
            var status = client.send(post, HttpResponse.BodyHandlers.ofString()).statusCode();
            if (status != 201) {
                throw new AssertionError("status " + status);
            }
            anna.receives("post " + number);
        }
        socket.sendClose(WebSocket.NORMAL_CLOSURE, "").get(30, TimeUnit.SECONDS);
        System.out.println("all is well");
        System.exit(0);
    }
}
