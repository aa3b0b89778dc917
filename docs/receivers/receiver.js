// node receiver.js, with WEBHOOK_SECRET and PORT in the environment. Accepted events lie in inbox/, one file each.
const { createHmac, timingSafeEqual } = require("node:crypto");
const { existsSync, mkdirSync, renameSync, writeFileSync } = require("node:fs");
const { createServer } = require("node:http");

const secret = process.env.WEBHOOK_SECRET ?? "";
const [text, encoding] = secret.startsWith("whsec_") ? [secret.slice(6), "base64"] : [secret, "utf8"];
const key = Buffer.from(text, encoding); // decodes what it can: hence the comparison below
if (key.length < 24 || key.toString(encoding) !== text) {
  console.error("set WEBHOOK_SECRET to the whole secret that the api showed");
  process.exit(1);
}

const same = (a, b) => a.length === b.length && timingSafeEqual(a, b);

function genuine(headers, body) {
  const { "webhook-id": id, "webhook-timestamp": sent, "webhook-signature": signatures = "" } = headers;
  if (!/^\d+$/.test(sent) || Math.abs(Date.now() / 1000 - Number(sent)) > 300) return false;
  const mac = createHmac("sha256", key).update(`${id}.${sent}.`).update(body).digest("base64");
  const found = signatures.split(" "); // several during a rotation
  return found.some((one) => same(Buffer.from(one), Buffer.from(`v1,${mac}`)));
}

function keep(id, body) {
  const file = `inbox/${id}.json`;
  if (existsSync(file)) return; // it came before
  writeFileSync(`${file}.part`, body);
  renameSync(`${file}.part`, file);
}

async function receive(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const body = Buffer.concat(chunks); // as it arrived, before any parser
  if (!genuine(request.headers, body)) return 401;
  keep(request.headers["webhook-id"], body);
  return 204;
}

mkdirSync("inbox", { recursive: true });
createServer(async (request, response) => {
  const status = await receive(request).catch(() => 503); // not kept: it comes again
  response.writeHead(status).end();
}).listen(process.env.PORT, "127.0.0.1");
