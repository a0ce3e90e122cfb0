package secret

import (
	"errors"
	"testing"
)

// The kernel makes another text of this file for each reading.
const (
	restlessFolder = "/proc/sys/kernel/random"
	restlessFile   = "uuid"
)

func TestReadGivesUpOnAFileThatNeverRests(t *testing.T) {
	set, err := Read(restlessFolder, restlessFile)
	if set != nil || !errors.Is(err, ErrUnsettled) {
		t.Errorf("got %v and %v, want no set and %v", set, err, ErrUnsettled)
	}
}

func TestWatcherTellsOnceOfAFileThatNeverRests(t *testing.T) {
	w := NewWatcher(NewSet(nil), restlessFolder, restlessFile)
	for i, want := range []error{nil, ErrUnsettled, nil, nil} {
		set, err := w.Poll()
		if set != nil || !errors.Is(err, want) {
			t.Errorf("poll %d: got %v and %v, want no set and %v", i+1, set, err, want)
		}
	}
}
