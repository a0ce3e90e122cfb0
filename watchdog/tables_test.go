package watchdog

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"auth-watchdog/watchdog/auth"
	"auth-watchdog/watchdog/auth/hmac"
	"auth-watchdog/watchdog/internal/config"
	"auth-watchdog/watchdog/internal/setting"
)

var update = flag.Bool("update", false, "write the tables into the READMEs")

// tables are made of the descriptions in the code. Each stands in a file
// between <!-- NAME --> and <!-- /NAME -->.
func tables() map[string]string {
	t := map[string]string{
		"settings": setting.Table(config.Settings()),
		"rules":    setting.Table(config.RuleFields()),
	}
	for name, kind := range methods {
		t[name+" fields"] = setting.Table(kind.section().Fields())
	}
	var presets strings.Builder
	presets.WriteString("| `auth_hmac_preset` | sender | what goes in the secret | also to set | source |\n|---|---|---|---|---|\n")
	for _, name := range slices.Sorted(maps.Keys(hmac.Presets())) {
		p := hmac.Presets()[name]
		fmt.Fprintf(&presets, "| `%s` | %s | %s | %s | %s |\n", name, p.Sender, p.Secret, strings.Join(p.Needs(), ", "), p.Source)
	}
	t["presets"] = presets.String()

	var handshakes strings.Builder
	handshakes.WriteString("| `auth_hmac_handshake` | the question |\n|---|---|\n")
	for kind, meaning := range hmac.Handshakes() {
		fmt.Fprintf(&handshakes, "| `%s` | %s |\n", kind, meaning)
	}
	t["handshakes"] = handshakes.String()

	var reasons strings.Builder
	reasons.WriteString("| reason | status | what it is |\n|---|---|---|\n")
	for _, r := range auth.Reasons() {
		fmt.Fprintf(&reasons, "| `%s` | %d | %s |\n", r, r.Status(), r.Meaning())
	}
	t["reasons"] = reasons.String()
	return t
}

// TestTables fails when a README says something else than the code. It is
// mended by: go generate ./...
func TestTables(t *testing.T) {
	placed := map[string]bool{}
	for _, path := range []string{
		"../README.md", "README.md", "auth/bearer/README.md", "auth/basic/README.md", "auth/hmac/README.md", "auth/login/README.md",
	} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Error(err)
			continue
		}
		want := string(text)
		for name, table := range tables() {
			begin, end := "<!-- "+name+" -->\n", "<!-- /"+name+" -->"
			before, rest, found := strings.Cut(want, begin)
			_, after, closed := strings.Cut(rest, end)
			if found != closed {
				t.Errorf("%s: %q without its end", path, name)
			}
			if found && closed {
				placed[name] = true
				want = before + begin + table + end + after
			}
		}
		if want == string(text) {
			continue
		}
		if !*update {
			t.Errorf("%s is out of date: go generate ./...", path)
			continue
		}
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Error(err)
		}
	}
	for name := range tables() {
		if !placed[name] {
			t.Errorf("the table %q stands in no README", name)
		}
	}
}

// TestSettingsAreNamedOnce keeps names and aliases apart.
func TestSettingsAreNamedOnce(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range config.Settings() {
		for _, name := range []string{f.Name, f.Alias} {
			if name != "" && seen[name] {
				t.Errorf("%s is named twice", name)
			}
			seen[name] = true
		}
		if f.Meaning == "" || f.Value.Want() == "" {
			t.Errorf("%s says nothing of itself", f.Name)
		}
	}
	for name, kind := range methods {
		for _, f := range kind.section().Fields() {
			if f.Meaning == "" || f.Value.Want() == "" {
				t.Errorf("%s.%s says nothing of itself", name, f.Name)
			}
		}
	}
}
