package observe

import (
	"context"
	"io"
	"log/slog"
	"net/http"

	"auth-watchdog/watchdog/auth"
)

// NewAudit returns a logger that writes events as JSON with the names of
// OWASP's logging vocabulary.
func NewAudit(w io.Writer) *slog.Logger {
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			switch {
			case len(groups) > 0:
			case a.Key == slog.TimeKey:
				a.Key = "datetime"
			case a.Key == slog.MessageKey:
				a.Key = "event"
			}
			return a
		},
	}))
}

// excessRate is the event of everything that comes too often.
const excessRate = "excess_rate_limit_exceeded"

// event is the name of a refusal in OWASP's logging vocabulary, which has none
// for handshakes.
func event(r auth.Reason) string {
	switch r {
	case auth.Answered:
		return "webhook_handshake"
	case auth.BadHandshake:
		return "authn_login_fail"
	case auth.UnknownTopic:
		return "input_validation_fail"
	case auth.SessionExpired:
		return "session_expired"
	case auth.SessionRevoked:
		return "session_use_after_expire"
	case auth.SessionUnreadable:
		return "crypt_decrypt_fail"
	case auth.StepUp:
		return "authz_fail"
	case auth.CrossOrigin:
		return "malicious_csrf"
	case auth.BuffersFull, auth.ReplaysFull:
		return excessRate
	}
	switch r.Status() {
	case http.StatusForbidden:
		return "authz_fail"
	case http.StatusTooManyRequests:
		return excessRate
	case http.StatusBadRequest, http.StatusMethodNotAllowed, http.StatusRequestEntityTooLarge, http.StatusRequestTimeout:
		return "input_validation_fail"
	}
	return "authn_login_fail"
}

// Event writes an audit event about a request. name is of OWASP's logging
// vocabulary, and never made of what the caller has sent; userID is who it is
// about, empty if that is nobody known.
func (o *Observer) Event(req *http.Request, level slog.Level, name, userID string, attrs ...slog.Attr) {
	if userID != "" {
		attrs = append(attrs, slog.String("userid", userID))
	}
	attrs = o.about(req, FromContext(req.Context()), attrs...)
	o.Audit.LogAttrs(req.Context(), level, name, attrs...) //nolint:sloglint // of a closed set
}

// System writes an audit event that is about no request.
func (o *Observer) System(name string, attrs ...slog.Attr) {
	attrs = append([]slog.Attr{slog.String("appid", "auth-watchdog"), slog.String("function", o.Function)}, attrs...)
	o.Audit.LogAttrs(context.Background(), slog.LevelInfo, name, attrs...) //nolint:sloglint // of a closed set
}

// about says which request an event is of, after what it is. What the caller
// has sent is cut to a bearable length, and the encoder takes care of the rest.
func (o *Observer) about(req *http.Request, r *Record, what ...slog.Attr) []slog.Attr {
	attrs := append([]slog.Attr{slog.String("appid", "auth-watchdog"), slog.String("function", o.Function)}, what...)
	attrs = append(attrs,
		slog.String("call_id", r.CallID),
		slog.String("request_method", short(r.Method)),
		slog.String("request_path", short(r.Path)),
		slog.String("useragent", short(req.UserAgent())),
	)
	if r.Address.IsValid() {
		attrs = append(attrs, slog.String("source_ip", r.Address.String()))
	}
	return attrs
}

// refused writes the audit event of a request that the function does not get:
// a refusal, or a handshake.
func (o *Observer) refused(req *http.Request, r *Record) {
	d := r.Decision
	level := slog.LevelWarn
	var more []slog.Attr
	if err := d.Err(); err != nil {
		more = append(more, slog.String("description", err.Error()))
	}
	if d.Handshake != nil {
		level = slog.LevelInfo
		more = append(more, slog.String("handshake", d.Handshake.Kind))
	}
	o.decided(req, r, level, event(d.Reason), string(d.Reason), d.Reason.Status(), more...)
}

// decided writes an event with what was decided about the request.
func (o *Observer) decided(req *http.Request, r *Record, level slog.Level, event, reason string, status int, more ...slog.Attr) {
	d := r.Decision
	attrs := o.about(req, r, slog.String("reason", reason), slog.Int("status", status))
	if d.Rule != nil {
		attrs = append(attrs, slog.String("rule", d.Rule.Match))
	}
	if d.Method != "" {
		attrs = append(attrs, slog.String("auth_method", d.Method))
	}
	if d.Subject != "" {
		attrs = append(attrs, slog.String("userid", d.Subject))
	}
	o.Audit.LogAttrs(req.Context(), level, event, append(attrs, more...)...) //nolint:sloglint // of a closed set
}

func short(s string) string {
	const most = 512
	if len(s) > most {
		return s[:most]
	}
	return s
}
