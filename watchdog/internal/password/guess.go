package password

import (
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// common has the passwords of at least 8 characters that are tried first, in
// small letters and sorted, one a line.
//
//go:embed common.txt
var common string

// product are words that stand in for none.
const product = "auth-watchdog openfaas"

// CheckGuess says why a password is among those that are tried first: because
// many people have it, because it is a pattern, or because it is made of the
// name of its user. It wants no certain kinds of characters.
func CheckGuess(password, name string) error {
	p := Account(string(Canonical(password)))
	for _, spelling := range []string{p, stem(p), plainLetters(p), stem(plainLetters(p)), plainLetters(stem(p))} {
		if isCommon(spelling) {
			return errors.New("is one of the most common, or nearly")
		}
	}
	if isPattern([]rune(p)) {
		return errors.New("is a pattern: repeated, or in the order of the alphabet or the keyboard")
	}
	account := Account(name)
	local, _, _ := strings.Cut(account, "@")
	for _, word := range append(strings.Fields(product), account, local) {
		if isMadeOf(p, word) {
			return fmt.Errorf("has %s in it, which is tried first", word)
		}
	}
	return nil
}

func isCommon(p string) bool {
	for line := range strings.Lines(common) {
		if strings.TrimSuffix(line, "\n") == p {
			return true
		}
	}
	return false
}

// stem is p without what people add when they have to.
func stem(p string) string {
	return strings.TrimFunc(p, func(r rune) bool { return !unicode.IsLetter(r) })
}

// plainLetters is p with letters where people put what looks like them.
func plainLetters(p string) string {
	return strings.NewReplacer("@", "a", "4", "a", "0", "o", "1", "i", "!", "i", "3", "e", "$", "s", "5", "s", "7", "t").Replace(p)
}

// isMadeOf reports whether a word is in p, or p is little else.
func isMadeOf(p, word string) bool {
	const tooShort, shortest = 4, 8 // a short word is in many
	if word == "" || !strings.Contains(p, word) {
		return false
	}
	rest := utf8.RuneCountInString(strings.ReplaceAll(p, word, ""))
	return utf8.RuneCountInString(word) >= tooShort || rest < shortest
}

// isPattern reports whether p has few different characters, is a repetition of
// something short or common, or goes along the alphabet or the keyboard.
func isPattern(p []rune) bool {
	const fewest, longestUnit, meanRun = 5, 8, 4
	if len(p) == 0 {
		return true
	}
	different := slices.Clone(p)
	slices.Sort(different)
	if len(slices.Compact(different)) < fewest {
		return true
	}
	if unit := period(p); unit <= len(p)/2 && (unit < longestUnit || isCommon(string(p[:unit]))) {
		return true
	}
	runs := 1
	for i := range len(p) - 1 {
		if !areNeighbours(p[i], p[i+1]) {
			runs++
		}
	}
	return runs*meanRun <= len(p)
}

// period returns after how many characters p repeats itself; its length if it
// does not.
func period(p []rune) int {
	for unit := 1; unit < len(p); unit++ {
		if slices.Equal(p[unit:], p[:len(p)-unit]) {
			return unit
		}
	}
	return len(p)
}

func areNeighbours(a, b rune) bool {
	if d := a - b; -1 <= d && d <= 1 {
		return true
	}
	for _, row := range [...]string{
		"1234567890-=", "!@#$%^&*()_+", "qwertyuiop[]", "asdfghjkl;'", "zxcvbnm,./", "qwertzuiopü+", "yxcvbnm,.-", "azertyuiop", "qsdfghjklm", "wxcvbn",
		"1qaz", "2wsx", "3edc", "4rfv", "5tgb", "6yhn", "7ujm", "q1w2e3r4t5y6u7i8o9p0",
	} {
		i, j := strings.IndexRune(row, a), strings.IndexRune(row, b)
		if d := i - j; i >= 0 && j >= 0 && -1 <= d && d <= 1 {
			return true
		}
	}
	return false
}
