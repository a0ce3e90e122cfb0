package interop

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
	"testing"
	"time"

	"auth-watchdog/watchdog/auth"
)

// TestDiffers has what senders may send, on which the SDK and the method do not
// agree. Each row says who goes by the sender's documents.
func TestDiffers(t *testing.T) {
	unix := strconv.FormatInt(time.Now().Unix(), 10)
	type row struct {
		name   string
		s      sender
		q      sent
		admits bool // the SDK does
		want   auth.Reason
	}
	var rows []row
	add := func(name string, s sender, q sent, admits bool, want auth.Reason) {
		rows = append(rows, row{name, s, q, admits, want})
	}

	// The SDK takes the first value of a name. Twilio's SDKs in other languages
	// take each value once and in order, as the method does.
	s := bySDK(t, "twilio-go, a form")
	s.body = "MediaUrl=b&MediaUrl=a&MediaUrl=b"
	add("a name with several values", s, s.signed(t, time.Now()), false, auth.Admitted)

	// While a key is replaced, Paddle's documents have one signature by each.
	s = bySDK(t, "paddle-go-sdk")
	q := s.unsigned()
	signature := func(key string) string { return ";h1=" + hex.EncodeToString(mac(sha256.New, key, unix+":"+s.body)) }
	q.header.Set("Paddle-Signature", "ts="+unix+signature("another")+signature(s.secret))
	add("two signatures", s, q, false, auth.Admitted)

	// For Adyen's documents a field that is not there is an empty text; the SDK
	// makes 0 of an amount.
	s = bySDK(t, "adyen-go-api-library")
	s.body = strings.ReplaceAll(s.body, `,"value":1130`, "")
	add("no amount", s, s.signedBySDK(t, time.Now()), true, auth.BadSignature)

	for _, tt := range rows {
		t.Run(tt.s.sdk+"/"+tt.name, func(t *testing.T) {
			if err := tt.s.ask(tt.q); (err == nil) != tt.admits {
				t.Errorf("the SDK says %v, want it to admit: %v", err, tt.admits)
			}
			if got := decide(t, tt.s.new(t), tt.q, false); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
