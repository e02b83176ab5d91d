package postgres

// A flag is one that any number of waits show on a session: the session holds it
// once, for all of them. The server would count how often a session takes it, but
// whatever undoes an error takes it down by one, and an error does not tell whether
// the one that it names was taken. Of a flag that is held once that does no harm: it
// is taken only while the session does not hold it, and so its undo takes down what
// no wait has been told to show. Once more than it was shown would take down another
// wait's, whose releases then nobody tells.
//
// One op on it is under way at a time, because one that is made again after an error
// comes after those that were added later. It is an owner of that one. All of it is
// guarded by session.mu.
type flag struct {
	session *session
	key     int64
	wanted  int          // by so many waits
	shown   bool         // the session holds it
	op      *op          // that takes it or takes it down, and has no outcome yet; or nil
	asked   []chan error // told when it shows, or could not be shown
}

// raise shows a flag. The channel tells when it shows, or why it could not be shown;
// in any case lower must follow, once.
func (s *session) raise(key int64) <-chan error {
	shows := make(chan error, 1)
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.flags[key]
	if f == nil {
		f = &flag{session: s, key: key}
		s.flags[key] = f
	}
	f.wanted++
	f.asked = append(f.asked, shows)
	f.next()
	return shows
}

// lower takes a flag down, unless another wait shows it.
func (s *session) lower(key int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.flags[key]
	f.wanted--
	f.next()
}

// next brings the flag nearer to what is wanted of it. After a failure it waits
// until somebody asks once more. mu is held, but not all of the time, see flush.
func (f *flag) next() {
	switch s := f.session; {
	case s.cause != nil:
		f.answer(s.cause)
	case f.op != nil: // Its outcome comes first.
	case f.wanted > 0 && f.shown:
		f.answer(nil)
	case f.shown:
		f.send(lowering(Int64Key(f.key)))
	case f.wanted == 0:
		if s.flags[f.key] == f { // Not another one, that was raised since.
			delete(s.flags, f.key)
		}
	case len(f.asked) > 0:
		f.send(simple(opRaise, Int64Key(f.key)))
	}
}

func (f *flag) send(o *op) {
	o.owner = f
	f.op = o
	f.session.enqueue(o)
}

func (f *flag) answer(err error) {
	for _, shows := range f.asked {
		shows <- err
	}
	f.asked = nil
}

// undo implements owner.
func (f *flag) undo(o *op) ([]*op, bool) { return []*op{simple(opDropRead, o.key).must()}, true }

// landed implements owner.
func (f *flag) landed(o *op) bool {
	f.op = nil
	f.shown = o.code == opRaise && o.err == nil
	if o.err != nil && o.code == opRaise {
		f.answer(o.err)
	}
	return false
}

// then implements owner.
func (f *flag) then(*op) {
	f.session.mu.Lock()
	defer f.session.mu.Unlock()
	f.next()
}

// lowering returns an op that takes a flag down. It travels with undos, so that it is
// not carried out a second time because of what others do.
func lowering(key Key) *op {
	o := simple(opLower, key)
	o.undoes = true
	return o
}
