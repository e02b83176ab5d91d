package queue

// Lines returns how many lines there are that are in use.
func (t *Table) Lines() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.lines) - t.spare.n
}
