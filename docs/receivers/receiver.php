<?php // php receiver.php && php -S 127.0.0.1:3000 receiver.php, with WEBHOOK_SECRET. Accepted events lie in inbox/.
declare(strict_types=1);

function genuine(string $key, string $id, string $sent, string $signatures, string $body): bool
{
    if (!ctype_digit($sent) || abs(time() - (int) $sent) > 300) {
        return false;
    }
    $expected = 'v1,' . base64_encode(hash_hmac('sha256', "$id.$sent.$body", $key, true));
    $found = explode(' ', $signatures); // several during a rotation
    return array_filter($found, fn ($one) => hash_equals($expected, $one)) !== [];
}

function keep(string $id, string $body): void
{
    $file = "inbox/$id.json";
    if (file_exists($file)) {
        return; // it came before
    }
    if (file_put_contents("$file.part", $body) !== strlen($body) || !rename("$file.part", $file)) {
        throw new RuntimeException('not kept'); // it comes again
    }
}

http_response_code(503); // unless all goes well
$secret = (string) getenv('WEBHOOK_SECRET');
$key = str_starts_with($secret, 'whsec_') ? base64_decode(substr($secret, 6), true) : $secret;
if ($key === false || strlen($key) < 24) {
    error_log('set WEBHOOK_SECRET to the whole secret that the api showed');
    exit(1);
}
if (PHP_SAPI === 'cli') {
    exit; // nothing is asked yet: the secret was looked at, php -S may start
}
is_dir('inbox') || mkdir('inbox');
$header = fn (string $name): string => $_SERVER["HTTP_WEBHOOK_$name"] ?? '';
$body = file_get_contents('php://input'); // as it arrived, before any parser
$genuine = genuine($key, $header('ID'), $header('TIMESTAMP'), $header('SIGNATURE'), $body);
if ($genuine) {
    keep($header('ID'), $body);
}
http_response_code($genuine ? 204 : 401);
