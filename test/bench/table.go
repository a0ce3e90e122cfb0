package main

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// A table is printed when all of it is known.
type table struct {
	title string
	rows  [][]string // the first one is the head
}

func newTable(title string, head ...string) *table {
	return &table{title: title, rows: [][]string{head}}
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

func (t *table) empty() bool { return len(t.rows) == 1 }

// print writes the table for a terminal, or as markdown.
func (t *table) print(out io.Writer, markdown bool) {
	if t.empty() {
		return
	}
	if markdown {
		t.markdown(out)
		return
	}
	widths := make([]int, len(t.rows[0]))
	for _, cells := range t.rows {
		for i, c := range cells {
			widths[i] = max(widths[i], utf8.RuneCountInString(c))
		}
	}
	fmt.Fprintf(out, "\n%s\n", t.title)
	for _, cells := range t.rows {
		var line strings.Builder
		for i, c := range cells {
			gap := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(c))
			if i == 0 {
				line.WriteString("  " + c + gap) // names begin at the left, numbers end at the right
			} else {
				line.WriteString("  " + gap + c)
			}
		}
		fmt.Fprintln(out, line.String())
	}
}

func (t *table) markdown(out io.Writer) {
	fmt.Fprintf(out, "\n### %s\n\n", t.title)
	for i, cells := range t.rows {
		fmt.Fprintf(out, "| %s |\n", strings.Join(cells, " | "))
		if i == 0 {
			fmt.Fprintf(out, "|---%s|\n", strings.Repeat("|--:", len(cells)-1))
		}
	}
}
