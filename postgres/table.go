package postgres

// A table says which keys are taken on a session. The server cannot: it grants a
// session every lock that the session has already. Guarded by session.mu.
type table struct {
	rows map[Key]*row
	free []*row // to be used again
}

// A row is a key that is taken, or about to be.
type row struct {
	key     Key
	shared  bool
	taken   int           // by how many ops or claims
	open    int           // how many of these are ops without an outcome
	changed chan struct{} // closed when an op has its outcome, or the row is gone; nil: nobody waits for it
}

// The answers of enter.
type entry int

const (
	entered   entry = iota // the key is reserved; settle or leave must follow
	occupied               // it is held on this session
	unsettled              // an op on it has no outcome yet: wait for changed
)

// enter reserves a key for an op that is about to take it. It returns the key's row,
// if it was entered, for the calls that follow.
func (t *table) enter(k Key, shared bool) (*row, entry, <-chan struct{}) {
	r := t.rows[k]
	switch {
	case r == nil:
		if t.rows == nil {
			t.rows = make(map[Key]*row)
		}
		r = t.unused()
		r.key, r.shared, r.taken, r.open = k, shared, 1, 1
		t.rows[k] = r
		return r, entered, nil
	case shared && r.shared:
		r.taken++
		r.open++
		return r, entered, nil
	case r.open > 0:
		if r.changed == nil {
			r.changed = make(chan struct{})
		}
		return nil, unsettled, r.changed
	}
	return nil, occupied, nil
}

// settle records that an op took the key. There is no row, here and below, for a
// slot of a semaphore.
func (r *row) settle() {
	if r != nil {
		r.open--
		r.tell()
	}
}

// unsettle records that an op which gives the key up is about to be sent.
func (r *row) unsettle() {
	if r != nil {
		r.open++
	}
}

// leave removes an op that did not take the key, or gave it up.
func (t *table) leave(r *row) {
	if r == nil {
		return
	}
	r.open--
	r.taken--
	r.tell()
	if r.taken == 0 && t.rows[r.key] == r { // The table may have been cleared.
		delete(t.rows, r.key)
		t.free = append(t.free, r)
	}
}

// unused returns a row that is in no use.
func (t *table) unused() *row {
	n := len(t.free)
	if n == 0 {
		return new(row)
	}
	r := t.free[n-1]
	t.free = t.free[:n-1]
	return r
}

func (r *row) tell() {
	if r.changed != nil {
		close(r.changed)
		r.changed = nil
	}
}

// others reports whether the key is taken by more than one op or claim, so that
// the server's count of it cannot be known after an error.
func (r *row) others() bool { return r != nil && r.taken > 1 }

func (t *table) clear() {
	for _, r := range t.rows {
		r.tell()
	}
	t.rows, t.free = nil, nil
}
