// dotnet run receiver.cs, with WEBHOOK_SECRET and PORT in the environment. Accepted events lie in inbox/.
using System;
using System.Collections.Specialized;
using System.IO;
using System.Linq;
using System.Net;
using System.Security.Cryptography;
using System.Text;

static class Receiver {
    static readonly byte[] Key = Decode(Environment.GetEnvironmentVariable("WEBHOOK_SECRET") ?? "");

    static byte[] Decode(string secret) {
        if (!secret.StartsWith("whsec_")) return Encoding.UTF8.GetBytes(secret);
        try { return Convert.FromBase64String(secret.Substring(6)); }
        catch (FormatException) { return new byte[0]; }
    }

    static bool Genuine(NameValueCollection headers, byte[] body) {
        string id = headers["webhook-id"], sent = headers["webhook-timestamp"], found = headers["webhook-signature"] ?? "";
        if (!long.TryParse(sent, out var at) || Math.Abs(DateTimeOffset.UtcNow.ToUnixTimeSeconds() - at) > 300) return false;
        using (var hmac = new HMACSHA256(Key)) {
            var mac = hmac.ComputeHash(Encoding.UTF8.GetBytes($"{id}.{sent}.").Concat(body).ToArray());
            var expected = Encoding.UTF8.GetBytes("v1," + Convert.ToBase64String(mac));
            return found.Split(' ').Any(one => // several during a rotation
                CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(one), expected));
        }
    }

    static void Keep(string id, byte[] body) {
        var file = Path.Combine("inbox", id + ".json");
        if (File.Exists(file)) return; // it came before
        File.WriteAllBytes(file + ".part", body);
        File.Move(file + ".part", file);
    }

    static int Receive(HttpListenerRequest request) {
        var body = new MemoryStream();
        request.InputStream.CopyTo(body); // as it arrived, before any parser
        if (!Genuine(request.Headers, body.ToArray())) return 401;
        Keep(request.Headers["webhook-id"], body.ToArray());
        return 204;
    }

    static int Main() {
        if (Key.Length < 24) {
            Console.Error.WriteLine("set WEBHOOK_SECRET to the whole secret that the api showed");
            return 1;
        }
        Directory.CreateDirectory("inbox");
        var listener = new HttpListener();
        listener.Prefixes.Add($"http://127.0.0.1:{Environment.GetEnvironmentVariable("PORT")}/");
        listener.Start();
        while (true) {
            var call = listener.GetContext();
            try { call.Response.StatusCode = Receive(call.Request); }
            catch (Exception) { call.Response.StatusCode = 503; } // not kept: it comes again
            call.Response.Close();
        }
    }
}
