package test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// signIn has what a sign-in has to withstand (C), and what went wrong in one that
// was used as ours is (W), by the names under which they are known to those who
// maintain this, and the tests that hold ours to it. What begins with a small
// letter says why there is none.
var signIn = map[string][]string{
	"C1":  {"TestC1W8SetCookie"},
	"C2":  {"TestCookie"},
	"C3":  {"TestC3NoBitOfACookieCanChange", "TestC3NoBitOfWhatIsSealedCanChange", "TestC3CookiesAreNotForEachOther"},
	"C4":  {"TestC4KeyRing", "TestC4TwoReplicas"},
	"C5":  {"TestC5SessionsEnd", "TestC5ShortIdle", "TestC5Skew", "TestC5W7Lifetimes", "TestC5SettingsOfTheFunctionThatIsAsked"},
	"C6":  {"TestC6B14SignOut"},
	"C7":  {"TestC7UsersThatChange", "TestC7W6UserRemovedWhileSignedIn"},
	"C8":  {"across replicas within a second it wants a shared store; the users' secret and the epoch do it within the time of a reload, see C7"},
	"C9":  {"TestC9B12Fixation"},
	"C10": {"TestC10RequestsToTheFunction", "TestFormsOfOthers"},
	"C11": {"TestC11SafeMethodsChangeNothing"},
	"C12": {"TestC12W9FormsOfOthers"},
	"C13": {"TestC13B15ReturnTo", "TestReturnTo"},
	"C14": {"TestC14W10Headers", "TestFrames"},
	"C15": {"TestC15Paths", "TestC15W1NothingElseIsOpen"},
	"C16": {"TestC16IdentityHeaders"},
	"C17": {"TestC17W5WrongPasswords", "TestC17KnownDevices", "TestC17SpellingsShareACounter", "TestC17NamesCountAlike", "TestC17AtOnce"},
	"C18": {"TestC18UnknownAndKnown", "TestC18Decoys"},
	"C19": {"TestCheckGuess", "TestScripts"},
	"C20": {"TestC20W4WeakHashes", "TestCheckFloor"},
	"C21": {"TestC21ManyAtATime"},
	"C22": {"TestC22Codes", "TestC22FirstStep", "TestC22Guessing", "TestC22Race", "TestVectors"},
	"C23": {"TestC23RecoveryCodes", "TestRecoveryCode"},
	"C24": {"there are no passkeys"},
	"C30": {"TestC30W13Roles", "TestPortal"},
	"C33": {"TestC33Errors"},
	"C34": {"TestC34Events", "TestC34Decisions", "TestC34NothingOfTheCallersInEvents", "TestC34WhatIsWrittenDown"},
	"C35": {"the events are not chained"},
	"C36": {"TestC36BrokenSecrets"},
	"C37": {"there is no shared store"},
	"C38": {"TestSignIn", "TestBackAfterSignOut", "TestPortal"},

	"W1":  {"TestC15W1NothingElseIsOpen"},
	"W2":  {"TestC15W1NothingElseIsOpen"}, // a path out of a folder
	"W3":  {"TestC15Paths"},               // no path of a caller's is opened: two files are served, by their names
	"W4":  {"TestC20W4WeakHashes"},
	"W5":  {"TestC17W5WrongPasswords"},
	"W6":  {"TestC7W6UserRemovedWhileSignedIn", "TestC6B14SignOut"},
	"W7":  {"TestC5W7Lifetimes"},
	"W8":  {"TestC1W8SetCookie"},
	"W9":  {"TestC12W9FormsOfOthers", "TestC11SafeMethodsChangeNothing"},
	"W10": {"TestC14W10Headers"},
	"W11": {"TestW11Escaping"},
	"W12": {"TestC33Errors"},
	"W13": {"TestC30W13Roles"},
	"W14": {"TestPortal", "TestSignIn"},
	"W15": {"TestW15DocumentsClaimNoMoreThanIsTrue"},
}

// TestSignInIsTested fails when one has no test, or one that is not there.
func TestSignInIsTested(t *testing.T) {
	there := map[string]bool{}
	err := filepath.WalkDir("..", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil {
				there[f.Name.Name] = true
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var wanted []string
	for i := range 15 {
		wanted = append(wanted, "W"+strconv.Itoa(i+1))
	}
	for i := range 38 {
		if c := i + 1; c <= 24 || c == 30 || c >= 33 {
			wanted = append(wanted, "C"+strconv.Itoa(c))
		}
	}
	for _, id := range wanted {
		if len(signIn[id]) == 0 {
			t.Errorf("%s: wants a test, or why there is none", id)
		}
	}
	for id, tests := range signIn {
		if !slices.Contains(wanted, id) {
			t.Errorf("%s: there is no such thing", id)
		}
		for _, name := range tests {
			if strings.HasPrefix(name, "Test") && !there[name] {
				t.Errorf("%s: there is no test %s", id, name)
			}
		}
	}
}

// W15: what is said of sign-in is what it does, and what it does not do is said
// too.
func TestW15DocumentsClaimNoMoreThanIsTrue(t *testing.T) {
	claim := regexp.MustCompile(`(?i)\b(military|bank)[- ]grade\b|\bunbreakable\b|\b100 ?% secure\b|\bas secure as\b|\bunhackable\b|\bcompletely secure\b`)
	for _, path := range []string{"../README.md", "../watchdog/README.md", "../watchdog/auth/login/README.md", "../template/README.md"} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if found := claim.Find(text); found != nil {
			t.Errorf("%s claims %q", path, found)
		}
	}
	text, err := os.ReadFile("../watchdog/auth/login/README.md")
	if err != nil {
		t.Fatal(err)
	}
	said := strings.Join(strings.Fields(string(text)), " ")
	for _, limit := range []string{
		"is good in other replicas, and here after a restart, until it ends",
		"a sign-out or a change of the user's record does not end them",
		"counts by itself and takes a code once more, and a restart forgets",
		"all functions are one origin to browsers",
	} {
		if !strings.Contains(said, limit) {
			t.Errorf("the README of sign-in does not say: %s", limit)
		}
	}
}
