package simredis

import (
	"crypto/sha1" // the name that Redis gives to a script, not a safeguard
	"encoding/hex"
	"errors"
	"math"
	"strconv"
	"strings"
	"sync"

	lua "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/parse"
)

// A program is a script that is ready to run.
type program struct {
	digest string
	proto  *lua.FunctionProto
}

// programs are those that were compiled, by source: bubbles have many servers, and
// all of them run the same.
var programs sync.Map

func compile(source string) (*program, error) {
	if p, ok := programs.Load(source); ok {
		return p.(*program), nil
	}
	chunk, err := parse.Parse(strings.NewReader(source), "script")
	if err != nil {
		return nil, refusal("ERR Error compiling script: " + err.Error())
	}
	proto, err := lua.Compile(chunk, "script")
	if err != nil {
		return nil, refusal("ERR Error compiling script: " + err.Error())
	}
	sum := sha1.Sum([]byte(source))
	p := &program{hex.EncodeToString(sum[:]), proto}
	programs.Store(source, p)
	return p, nil
}

// A machine runs one script at a time. It belongs to no bubble.
type machine struct {
	state  *lua.LState
	server *Server // during a run
}

var machines = sync.Pool{New: func() any { return newMachine() }}

func newMachine() *machine {
	m := &machine{state: lua.NewState(lua.Options{SkipOpenLibs: true})}
	for name, open := range map[string]lua.LGFunction{"": lua.OpenBase, "table": lua.OpenTable, "string": lua.OpenString, "math": lua.OpenMath} {
		m.state.Push(m.state.NewFunction(open))
		m.state.Push(lua.LString(name))
		m.state.Call(1, 0)
	}
	redis := m.state.NewTable()
	redis.RawSetString("call", m.state.NewFunction(func(l *lua.LState) int { return m.call(l, true) }))
	redis.RawSetString("pcall", m.state.NewFunction(func(l *lua.LState) int { return m.call(l, false) }))
	m.state.SetGlobal("redis", redis)
	return m
}

func (p *program) run(s *Server, keys, args []string) (any, error) {
	m := machines.Get().(*machine)
	defer machines.Put(m)
	m.server = s
	defer func() { m.server = nil }()
	m.state.SetGlobal("KEYS", m.list(keys))
	m.state.SetGlobal("ARGV", m.list(args))
	m.state.Push(m.state.NewFunctionFromProto(p.proto))
	if err := m.state.PCall(0, 1, nil); err != nil {
		m.state.SetTop(0)
		if e, ok := errors.AsType[*lua.ApiError](err); ok {
			if t, ok := e.Object.(*lua.LTable); ok {
				return nil, refusal(lua.LVAsString(t.RawGetString("err")))
			}
		}
		return nil, refusal("ERR " + err.Error())
	}
	v := m.state.Get(-1)
	m.state.SetTop(0)
	return answer(v)
}

func (m *machine) list(words []string) *lua.LTable {
	t := m.state.CreateTable(len(words), 0)
	for i, w := range words {
		t.RawSetInt(i+1, lua.LString(w))
	}
	return t
}

// call is redis.call, or redis.pcall.
func (m *machine) call(l *lua.LState, raise bool) int {
	words := make([]string, l.GetTop())
	for i := range words {
		switch v := l.Get(i + 1).(type) {
		case lua.LString:
			words[i] = string(v)
		case lua.LNumber:
			words[i] = figure(float64(v))
		default:
			l.RaiseError("Lua redis lib command arguments must be strings or integers")
		}
	}
	v, err := m.server.command(words)
	if err != nil {
		t := l.NewTable()
		t.RawSetString("err", lua.LString(err.Error()))
		if raise {
			l.Error(t, 0)
		}
		l.Push(t)
		return 1
	}
	l.Push(m.value(v))
	return 1
}

// figure writes a number as Redis does that of a script.
func figure(f float64) string {
	if f == math.Trunc(f) && math.Abs(f) < 1<<62 {
		return strconv.FormatInt(int64(f), 10)
	}
	return strconv.FormatFloat(f, 'g', 17, 64)
}

// value turns an answer into what a script sees of it.
func (m *machine) value(v any) lua.LValue {
	switch v := v.(type) {
	case int64:
		return lua.LNumber(v)
	case string:
		return lua.LString(v)
	case status:
		t := m.state.NewTable()
		t.RawSetString("ok", lua.LString(v))
		return t
	case []any:
		t := m.state.CreateTable(len(v), 0)
		for i, e := range v {
			t.RawSetInt(i+1, m.value(e))
		}
		return t
	}
	return lua.LFalse
}

// answer turns what a script returns into its answer.
func answer(v lua.LValue) (any, error) {
	switch v := v.(type) {
	case lua.LNumber:
		return int64(v), nil
	case lua.LString:
		return string(v), nil
	case lua.LBool:
		if v {
			return int64(1), nil
		}
	case *lua.LTable:
		if e := v.RawGetString("err"); e != lua.LNil {
			return nil, refusal(lua.LVAsString(e))
		}
		if word := v.RawGetString("ok"); word != lua.LNil {
			return lua.LVAsString(word), nil
		}
		list := []any{}
		for i := 1; ; i++ {
			e := v.RawGetInt(i)
			if e == lua.LNil {
				return list, nil
			}
			one, err := answer(e)
			if err != nil {
				return nil, err
			}
			list = append(list, one)
		}
	}
	return nil, nil
}
