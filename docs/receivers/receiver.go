// go run receiver.go, with WEBHOOK_SECRET and PORT in the environment. Accepted events lie in inbox/.
package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"log"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

var key, undecodable = decode(os.Getenv("WEBHOOK_SECRET"))

func decode(secret string) ([]byte, error) {
	if encoded := strings.TrimPrefix(secret, "whsec_"); encoded != secret {
		return base64.StdEncoding.DecodeString(encoded)
	}
	return []byte(secret), nil
}

func genuine(headers http.Header, body []byte) bool {
	id, sent := headers.Get("webhook-id"), headers.Get("webhook-timestamp")
	at, err := strconv.ParseInt(sent, 10, 64)
	if err != nil || time.Since(time.Unix(at, 0)).Abs() > 5*time.Minute {
		return false
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + sent + "." + string(body)))
	expected, found := "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)), false
	for _, one := range strings.Fields(headers.Get("webhook-signature")) { // several during a rotation
		found = found || hmac.Equal([]byte(one), []byte(expected))
	}
	return found
}

func receive(answer http.ResponseWriter, request *http.Request) {
	body, _ := io.ReadAll(request.Body) // as it arrived, before any parser; what broke off does not verify
	status, file := http.StatusUnauthorized, "inbox/"+request.Header.Get("webhook-id")+".json"
	if genuine(request.Header, body) {
		status = http.StatusNoContent
		_, missing := os.Stat(file) // else it came before
		if missing != nil && (os.WriteFile(file+".part", body, 0o600) != nil || os.Rename(file+".part", file) != nil) {
			status = http.StatusServiceUnavailable // not kept: it comes again
		}
	}
	answer.WriteHeader(status)
}

func main() {
	if undecodable != nil || len(key) < 24 {
		log.Fatal("set WEBHOOK_SECRET to the whole secret that the api showed")
	}
	os.MkdirAll("inbox", 0o700)
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), http.HandlerFunc(receive)))
}
