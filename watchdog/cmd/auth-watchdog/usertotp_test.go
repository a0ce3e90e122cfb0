package main

import (
	"testing"
	"unicode/utf8"

	"rsc.io/qr"
)

// TestHalfBlocks reads the drawing of a QR code back.
func TestHalfBlocks(t *testing.T) {
	code, err := qr.Encode("otpauth://totp/Reports:alice?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", qr.M)
	if err != nil {
		t.Fatal(err)
	}
	lines := halfBlocks(code)
	side := code.Size + 2*quiet
	if len(lines) != (side+1)/2 {
		t.Fatalf("got %d lines, want %d", len(lines), (side+1)/2)
	}
	light := map[rune][2]bool{' ': {false, false}, '▄': {false, true}, '▀': {true, false}, '█': {true, true}}
	for i, line := range lines {
		if n := utf8.RuneCountInString(line); n != side {
			t.Fatalf("line %d: got %d characters, want %d", i, n, side)
		}
		for x, r := range []rune(line) {
			for half, isLight := range light[r] {
				y := 2*i + half
				inside := x >= quiet && x < quiet+code.Size && y >= quiet && y < quiet+code.Size
				want := y < side && (!inside || !code.Black(x-quiet, y-quiet))
				if isLight != want {
					t.Errorf("at %d, %d: got light %t, want %t", x, y, isLight, want)
				}
			}
		}
	}
}
