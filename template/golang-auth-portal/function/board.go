package function

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

const (
	maxNotes  = 50  // the oldest goes when another comes
	maxLength = 280 // of a note, in characters
)

// A board keeps the latest notes, in memory: another replica has its own, and
// a restart forgets them. Notes that have to last belong into a database.
type board struct {
	mu     sync.Mutex
	lastID int
	notes  []note // the newest first
}

type note struct {
	ID     int
	Author string
	Text   string
	At     time.Time
}

// add puts a note up, or says what is wrong with it.
func (b *board) add(author, text string) (problem string) {
	text = strings.TrimSpace(strings.ReplaceAll(text, "\r\n", "\n"))
	switch n := utf8.RuneCountInString(text); {
	case n == 0:
		return "Write something first."
	case n > maxLength:
		return fmt.Sprintf("This note has %d characters, and at most %d fit.", n, maxLength)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lastID++
	b.notes = slices.Insert(b.notes, 0, note{b.lastID, author, text, time.Now().UTC()})
	b.notes = b.notes[:min(len(b.notes), maxNotes)]
	return ""
}

// remove takes a note down. It may be gone already.
func (b *board) remove(id int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.notes = slices.DeleteFunc(b.notes, func(n note) bool { return n.ID == id })
}

func (b *board) all() []note {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.notes)
}
