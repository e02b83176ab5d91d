package history

import (
	"cmp"
	"errors"
	"fmt"
	"html"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

// ErrUndecided means that the search has not ended in time.
var ErrUndecided = errors.New("history: no verdict in time")

// Check returns nil if the operations, all of one object, can be explained. If
// they cannot the error is a [*ViolationError]; if that is not known after the timeout
// it is [ErrUndecided]. Any other error tells of a defect of the recording. The
// order of the operations matters only for those of one seat that were called at
// the same time.
func Check(object Object, ops []Op, timeout time.Duration) error {
	if object.Kind == Semaphore && object.Limit < 1 {
		return fmt.Errorf("history: %q has the limit %d", object.Name, object.Limit)
	}
	all, err := moves(object, ops)
	if err != nil {
		return err
	}
	if object.Tokens == Following {
		if err := following(object, ops); err != nil {
			return err
		}
	}
	deadline := time.Now().Add(timeout)
	for _, p := range object.cut(all) {
		if object.obvious(p) {
			continue
		}
		left := time.Until(deadline)
		if left <= 0 {
			return ErrUndecided
		}
		model := object.model(p.from)
		switch porcupine.CheckOperationsTimeout(model, p.operations(), left) {
		case porcupine.Unknown:
			return ErrUndecided
		case porcupine.Illegal:
			_, info := porcupine.CheckOperationsVerbose(model, p.operations(), max(left, time.Second))
			return &ViolationError{Object: object, Text: p.explain(object, info), model: model, info: info}
		}
	}
	return nil
}

// Require fails the test if the operations cannot be explained, and leaves a
// picture among the test's artifacts.
func Require(t testing.TB, object Object, ops []Op) {
	t.Helper()
	err := Check(object, ops, time.Minute)
	if err == nil {
		return
	}
	if v := (*ViolationError)(nil); errors.As(err, &v) {
		path := filepath.Join(t.ArtifactDir(), "history.html")
		if f, err := os.Create(path); err == nil {
			if v.WriteHTML(f) == nil {
				t.Logf("a picture of the history is in %s", path)
			}
			f.Close()
		}
	}
	t.Error(err)
}

// A ViolationError is a history that nothing explains.
type ViolationError struct {
	Object Object
	Text   string // how far an explanation gets, and what stands then

	model porcupine.Model
	info  porcupine.LinearizationInfo
}

// Error tells the whole.
func (v *ViolationError) Error() string {
	return fmt.Sprintf("history: what was seen of %q breaks its rules:\n%s", v.Object.Name, v.Text)
}

// WriteHTML draws the part of the history that cannot be explained, for a
// browser. It writes the text alone if that is all there is to see.
func (v *ViolationError) WriteHTML(w io.Writer) error {
	if v.model.Step == nil {
		_, err := io.WriteString(w, "<html><pre>"+html.EscapeString(v.Text)+"</pre></html>")
		return err
	}
	return porcupine.Visualize(v.model, v.info, w)
}

func (p piece) operations() []porcupine.Operation {
	clients := make(map[uint64]int)
	ops := make([]porcupine.Operation, len(p.moves))
	for i, m := range p.moves {
		if _, ok := clients[m.seat]; !ok {
			clients[m.seat] = len(clients)
		}
		ops[i] = porcupine.Operation{ClientId: clients[m.seat], Input: m, Call: m.call, Return: m.ret}
	}
	return ops
}

// explain tells the end of the longest explanation, the state to which it leads
// and what cannot follow.
func (p piece) explain(object Object, info porcupine.LinearizationInfo) string {
	var longest []int
	for _, seq := range info.PartialLinearizations()[0] {
		if len(seq) > len(longest) {
			longest = seq
		}
	}
	states, placed := []state{p.from}, make(map[int]bool)
	for _, id := range longest {
		placed[id] = true
		var next []state
		for _, s := range states {
			next = append(next, object.next(s, p.moves[id])...)
		}
		slices.SortFunc(next, func(a, b state) int { return cmp.Compare(a.String(), b.String()) })
		states = slices.Compact(next)
	}
	const most = 8 // lines on each side
	var b strings.Builder
	if len(longest) > most {
		fmt.Fprintf(&b, "  %d before, then\n", len(longest)-most)
		longest = longest[len(longest)-most:]
	}
	for _, id := range longest {
		fmt.Fprintf(&b, "  %v\n", p.moves[id].op)
	}
	for _, s := range states {
		fmt.Fprintf(&b, "which leads to: %v\n", s)
	}
	b.WriteString("and then none of these can be next:\n")
	lines := 0
	for i, m := range p.moves {
		if !placed[i] && lines < most {
			fmt.Fprintf(&b, "  %v\n", m.op)
			lines++
		}
	}
	return b.String()
}
