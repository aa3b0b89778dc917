// java receiver.java, with WEBHOOK_SECRET and PORT in the environment. Accepted events lie in inbox/, one file each.
import com.sun.net.httpserver.*;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.security.MessageDigest;
import java.util.*;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

class Receiver {
    static byte[] bytes(String text) { return text.getBytes(StandardCharsets.UTF_8); }

    static final byte[] KEY = decode(Objects.toString(System.getenv("WEBHOOK_SECRET"), ""));

    static byte[] decode(String secret) {
        try {
            return secret.startsWith("whsec_") ? Base64.getDecoder().decode(secret.substring(6)) : bytes(secret);
        } catch (IllegalArgumentException undecodable) {
            return new byte[0];
        }
    }

    static boolean genuine(String id, String sent, String signatures, byte[] body) throws Exception {
        if (!sent.matches("\\d{1,18}") || Math.abs(System.currentTimeMillis() / 1000 - Long.parseLong(sent)) > 300) return false;
        var mac = Mac.getInstance("HmacSHA256");
        mac.init(new SecretKeySpec(KEY, "HmacSHA256"));
        mac.update(bytes(id + "." + sent + "."));
        var expected = bytes("v1," + Base64.getEncoder().encodeToString(mac.doFinal(body)));
        var found = Arrays.stream(signatures.split(" ")); // several during a rotation
        return found.anyMatch(one -> MessageDigest.isEqual(bytes(one), expected));
    }

    static void keep(String id, byte[] body) throws Exception {
        var file = Path.of("inbox", id + ".json");
        if (Files.exists(file)) return; // it came before
        var part = Files.write(Path.of("inbox", id + ".part"), body);
        Files.move(part, file, StandardCopyOption.ATOMIC_MOVE);
    }

    static int receive(HttpExchange call) {
        try {
            var headers = new String[] {"webhook-id", "webhook-timestamp", "webhook-signature"};
            var values = Arrays.stream(headers).map(name -> Objects.toString(call.getRequestHeaders().getFirst(name), "")).toList();
            var body = call.getRequestBody().readAllBytes(); // as it arrived, before any parser
            if (!genuine(values.get(0), values.get(1), values.get(2), body)) return 401;
            keep(values.get(0), body);
            return 204;
        } catch (Exception failure) {
            return 503; // not kept: it comes again
        }
    }

    public static void main(String[] arguments) throws Exception {
        if (KEY.length < 24) {
            System.err.println("set WEBHOOK_SECRET to the whole secret that the api showed");
            System.exit(1);
        }
        Files.createDirectories(Path.of("inbox"));
        var server = HttpServer.create(new InetSocketAddress("127.0.0.1", Integer.parseInt(System.getenv("PORT"))), 0);
        server.createContext("/", call -> { call.sendResponseHeaders(receive(call), -1); call.close(); });
        server.start();
    }
}
