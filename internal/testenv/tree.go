//go:build unix

package testenv

// info is what the system tells of a process: its parent, and its state as ps(1)
// has it, T for stopped and Z for ended but not yet waited for.
type info struct {
	parent int
	state  byte
}

// descendants returns the ids of a process's children, their children, and so
// on. PostgreSQL's backends are such, each in a session of its own, where no
// signal to a process group reaches them.
func descendants(of int) []int {
	children := make(map[int][]int)
	for pid, p := range processTable() {
		children[p.parent] = append(children[p.parent], pid)
	}
	var all []int
	for queue := children[of]; len(queue) > 0; queue = queue[1:] {
		all = append(all, queue[0])
		queue = append(queue, children[queue[0]]...)
	}
	return all
}

// areAll reports whether each of the processes that still live is in the state.
// Zero asks that none lives.
func areAll(state byte, pids []int) bool {
	table := processTable()
	for _, pid := range pids {
		if p, there := table[pid]; there && p.state != 'Z' && p.state != state {
			return false
		}
	}
	return true
}
