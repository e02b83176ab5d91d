package queue

// Lines returns how many lines there are.
func (t *Table) Lines() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.spare != nil {
		return len(t.lines) - 1
	}
	return len(t.lines)
}
