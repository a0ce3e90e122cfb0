package secret

// A Watcher notices when the files of a set have changed and have come to
// rest. It only looks when asked: the owner decides how often.
//
// A change counts once two looks in a row have found the same, so that a file
// that is being rewritten in place is not taken half-way: a cut-off key would
// be a key.
type Watcher struct {
	dir   string
	names []string

	known  look // what the owner has been told of
	unsure look // what the last look found, if it was something else
}

type look struct {
	set *Set
	err error
}

func (l look) isZero() bool { return l.set == nil && l.err == nil }

func (l look) same(m look) bool {
	return !l.isZero() && !m.isZero() && same(l.set, l.err, m.set, m.err)
}

// NewWatcher returns a Watcher over the named files of dir, whose owner has
// what is in current.
func NewWatcher(current *Set, dir string, names ...string) *Watcher {
	return &Watcher{dir: dir, names: names, known: look{set: current}}
}

// Forget makes the Watcher report anew what it finds, after its owner could
// not use what was reported last because the files have moved on.
func (w *Watcher) Forget() { w.known, w.unsure = look{}, look{} }

// Poll looks once. It returns a new set, or the reason why the files no longer
// make one, each once when it has come to rest, and otherwise neither.
func (w *Watcher) Poll() (*Set, error) {
	// What is as it was needs no second reading, and nearly always it is.
	if set, err := readOnce(w.dir, w.names); w.known.same(look{set, err}) {
		w.unsure = look{}
		return nil, nil
	}
	set, err := Read(w.dir, w.names...)
	now := look{set, err}
	switch {
	case now.same(w.known):
		w.unsure = look{}
		return nil, nil
	case !now.same(w.unsure):
		w.unsure = now
		return nil, nil
	}
	w.known, w.unsure = now, look{}
	return set, err
}
