package password

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestCheckGuess(t *testing.T) {
	for _, tt := range []struct {
		password, name, want string // "" if it is good
	}{
		{"correct horse battery wombat", "alice", ""},
		{"kp9#Lw2!vQz8rT5m", "alice", ""},
		{"пароль из многих слов", "alice", ""},
		{"うみにふるゆきのおと", "alice", ""},
		{"bcfhjmqvxz tqgkwd", "alice", ""},
		{strings.Repeat("a long sentence with words. ", 8), "alice", ""},
		{"0f2d8c61e75b94a3", "alice", ""},

		{"password", "alice", "most common"},
		{"PassWord", "alice", "most common"},
		{"iloveyou123", "alice", "most common"},
		{"correct horse battery staple", "alice", "most common"},
		{"Password2031!?!?", "alice", "most common"},
		{"P@ssw0rd20310101", "alice", "most common"},
		{"1234567password!", "alice", "most common"},
		{"ｐａｓｓｗｏｒｄ１２３", "alice", "most common"},
		{"passwordpassword", "alice", "most common"},
		{"basketballbasketball", "alice", "a pattern"},
		{"aaaaaaaaaaaaaaaaaaaa", "alice", "a pattern"},
		{"abcabcabcabcabcabc", "alice", "a pattern"},
		{"wombat-wombat-wombat-", "alice", "a pattern"},
		{"1111222233334444", "alice", "a pattern"},
		{"ghijklmnopqrstuv", "alice", "a pattern"},
		{"98765432109876543", "alice", "a pattern"},
		{"qwertyuiopasdfghjkl", "alice", "a pattern"},
		{"1qaz2wsx3edc4rfv5tgb", "alice", "a pattern"},
		{"", "alice", "a pattern"},

		{"my name is alice and more", "alice", "has alice in it"},
		{"my name is ALICE and more", "Alice", "has alice in it"},
		{"my name is alice and more", "alice@example.com", "has alice in it"},
		{"openfaas runs at my place", "alice", "has openfaas in it"},
		{"auth-watchdog is my friend", "alice", "has auth-watchdog in it"},
		{"kebobs with much garlic", "bob", ""},
		{"bob1973bobbob!bob", "bob", "has bob in it"},
	} {
		switch err := CheckGuess(tt.password, tt.name); {
		case (err == nil) != (tt.want == ""), err != nil && !strings.Contains(err.Error(), tt.want):
			t.Errorf("%q of %s: got %v, want %q", tt.password, tt.name, err, tt.want)
		}
	}
}

// TestCommon: each line can be found, and is long enough to be of use.
func TestCommon(t *testing.T) {
	lines := strings.Split(strings.TrimSuffix(common, "\n"), "\n")
	if len(lines) < 1000 {
		t.Errorf("got %d lines, want 1000 at least", len(lines))
	}
	if !slices.IsSorted(lines) || len(slices.Compact(slices.Clone(lines))) != len(lines) {
		t.Error("the lines are not sorted, or one stands twice")
	}
	for _, line := range lines {
		if Account(line) != line || utf8.RuneCountInString(line) < 8 {
			t.Errorf("%q: want at least 8 characters as they are compared", line)
		}
		if CheckGuess(line, "alice") == nil {
			t.Errorf("%q is taken", line)
		}
	}
}

// FuzzCheckGuess: whatever is typed, there is an answer, and another case gets
// the same.
func FuzzCheckGuess(f *testing.F) {
	f.Add("correct horse battery wombat", "alice")
	f.Add("\xff", "")
	f.Add("Password", "PASSWORD")
	f.Fuzz(func(t *testing.T, password, name string) {
		if len(password) > 64 || strings.ContainsFunc(password, func(r rune) bool { return r >= utf8.RuneSelf }) {
			return
		}
		if got, want := CheckGuess(strings.ToUpper(password), name), CheckGuess(password, name); (got == nil) != (want == nil) {
			t.Errorf("%q: got %v, and in capitals %v", password, want, got)
		}
	})
}
