package simredis

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/distlock/distlock-go/internal/testenv"
)

// script calls what it is given, and hands the answer through a script.
const script = "local got = redis.pcall(unpack(ARGV)) if type(got) == 'table' and got.err then return {'refused', string.sub(got.err, 1, 9)} end return {type(got), got}"

// convert has what scripts do with numbers and strings, and their answers.
const convert = `local a, b = ARGV[1], tonumber(ARGV[2])
redis.call('SET', KEYS[1], b + 1)
return {a * 2, b / 4, string.format('%.0f', b), string.match(a .. '|7', '^(%d+)|'), redis.call('GET', KEYS[1]), {ok = 'fine'}, false, 'not told'}`

// TestAsARealServer gives a server and this one the same commands at random, also by
// scripts, and compares the answers.
func TestAsARealServer(t *testing.T) {
	server := goredis.NewClient(&goredis.Options{Addr: testenv.NewRedis(t, testenv.RedisConfig{}).Addr(), Protocol: 2, MaxRetries: -1})
	defer server.Close()
	ours := New(time.Now)
	r := rand.New(rand.NewPCG(1, 2))
	one := func(of ...string) string { return of[r.IntN(len(of))] }
	key := func() string { return one("a", "b", "c") }
	member := func() string { return one("x", "y", "z", "zz") }
	number := func() string { return one("-1", "0", "1", "2", "3", "946684807231439", "(2", "-inf", "+inf") }
	score := func() string { return one("0", "1", "2", "2", "3.5", "946684807231439") }
	at := func() string { return one("-2", "-1", "0", "1", "2", "5") }
	commands := []func() []string{
		func() []string { return []string{"SET", key(), one("1", "text", ""), "PX", "1000000"} },
		func() []string { return []string{"SET", key(), member(), "NX", "PX", "1000000"} },
		func() []string { return []string{"SET", key(), member()} },
		func() []string { return []string{"GET", key()} },
		func() []string { return []string{"EXISTS", key(), key()} },
		func() []string { return []string{"DEL", key(), key()} },
		func() []string { return []string{"PEXPIRE", key(), one("1000000", "0", "-1")} },
		func() []string { return []string{"PTTL", key()} },
		func() []string { return []string{"HSET", key(), member(), number(), member(), number()} },
		func() []string { return []string{"HGET", key(), member()} },
		func() []string { return []string{"HDEL", key(), member(), member()} },
		func() []string { return []string{"ZADD", key(), score(), member()} },
		func() []string { return []string{"ZADD", key(), "XX", score(), member()} },
		func() []string { return []string{"ZREM", key(), member(), member()} },
		func() []string { return []string{"ZSCORE", key(), member()} },
		func() []string { return []string{"ZRANK", key(), member()} },
		func() []string { return []string{"ZCARD", key()} },
		func() []string { return []string{"ZCOUNT", key(), number(), number()} },
		func() []string { return []string{"ZRANGE", key(), at(), at()} },
		func() []string { return []string{"ZRANGE", key(), at(), at(), "WITHSCORES"} },
		func() []string { return []string{"ZRANGEBYSCORE", key(), number(), number(), "LIMIT", "0", "2"} },
		func() []string {
			return []string{"ZRANGEBYSCORE", key(), number(), number(), "WITHSCORES", "LIMIT", "1", "2"}
		},
		func() []string { return []string{"PUBLISH", key(), member()} },
		func() []string { return []string{"PUBSUB", "NUMSUB", key()} },
	}
	for n := range 20_000 {
		words := commands[r.IntN(len(commands))]()
		switch r.IntN(8) {
		case 0:
			words = append([]string{"EVAL", script, "0"}, words...)
		case 1:
			words = []string{"EVAL", convert, "1", key(), one("12", "946684807231439"), one("7", "946684807231439")}
		}
		args := make([]any, len(words))
		for i, w := range words {
			args[i] = w
		}
		want, err := server.Do(t.Context(), args...).Result()
		got, ourErr := ours.Do(args...)
		if w, ok := got.(status); ok {
			got = string(w)
		}
		if errors.Is(err, goredis.Nil) {
			err = nil
		}
		if ttl, ok := want.(int64); ok && ttl > 900_000 && ttl <= 1_000_000 { // The clocks go on.
			want, got = true, got.(int64) > 900_000
		}
		if list, ok := want.([]any); ok && len(list) == 2 && list[0] == "number" && list[1].(int64) > 900_000 && list[1].(int64) <= 1_000_000 {
			continue
		}
		if !reflect.DeepEqual(want, got) || (err == nil) != (ourErr == nil) || err != nil && first(err) != first(ourErr) {
			t.Fatalf("%d: %q is answered by %#v, %v, and here by %#v, %v", n, words, want, err, got, ourErr)
		}
	}
}

// first returns the word by which errors are told apart.
func first(err error) string {
	word, _, _ := strings.Cut(fmt.Sprint(err), " ")
	return word
}
