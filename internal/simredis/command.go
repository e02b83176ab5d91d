package simredis

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// command carries out a command that is no script. Its caller holds s.mu.
func (s *Server) command(w []string) (any, error) {
	switch name := strings.ToUpper(w[0]); name {
	case "PING":
		return status("PONG"), nil
	case "TIME":
		us := s.now().UnixMicro()
		return []any{strconv.FormatInt(us/1e6, 10), strconv.FormatInt(us%1e6, 10)}, nil
	case "PUBLISH":
		return s.publish(w[1], w[2]), nil
	case "PUBSUB":
		return []any{w[2], s.listeners(w[2])}, nil
	case "EXISTS", "DEL":
		n := int64(0)
		for _, key := range w[1:] {
			if s.find(key) != nil {
				n++
				if name == "DEL" {
					delete(s.keys, key)
				}
			}
		}
		return n, nil
	case "PTTL":
		switch it := s.find(w[1]); {
		case it == nil:
			return int64(-2), nil
		case it.expires == 0:
			return int64(-1), nil
		default:
			return it.expires - s.Now(), nil
		}
	case "PEXPIRE":
		it := s.find(w[1])
		if it == nil {
			return int64(0), nil
		}
		it.expires = s.Now() + number(w[2])
		return int64(1), nil
	case "GET", "SET":
		return s.text(w)
	case "HGET", "HSET", "HDEL":
		return s.hash(w)
	case "ZADD", "ZREM", "ZSCORE", "ZRANK", "ZCARD", "ZCOUNT", "ZRANGE", "ZRANGEBYSCORE":
		return s.sorted(w)
	}
	return nil, refusal("ERR unknown command '" + w[0] + "'")
}

func (s *Server) text(w []string) (any, error) {
	it := s.find(w[1])
	if strings.EqualFold(w[0], "GET") {
		switch {
		case it == nil:
			return nil, nil
		case it.set != nil || it.hash != nil:
			return nil, errType
		}
		return it.text, nil
	}
	fresh := &item{text: w[2]}
	for i := 3; i < len(w); i++ {
		switch strings.ToUpper(w[i]) {
		case "PX":
			i++
			fresh.expires = s.Now() + number(w[i])
		case "NX":
			if it != nil {
				return nil, nil
			}
		default:
			return nil, refusal("ERR syntax error")
		}
	}
	s.keys[w[1]] = fresh
	return status("OK"), nil
}

func (s *Server) hash(w []string) (any, error) {
	it := s.find(w[1])
	if it != nil && it.hash == nil {
		return nil, errType
	}
	n := int64(0)
	switch strings.ToUpper(w[0]) {
	case "HGET":
		if it == nil {
			return nil, nil
		}
		if v, ok := it.hash[w[2]]; ok {
			return v, nil
		}
		return nil, nil
	case "HSET":
		if it == nil {
			it = &item{hash: make(map[string]string)}
			s.keys[w[1]] = it
		}
		for i := 2; i+1 < len(w); i += 2 {
			if _, old := it.hash[w[i]]; !old {
				n++
			}
			it.hash[w[i]] = w[i+1]
		}
	case "HDEL":
		if it == nil {
			return n, nil
		}
		for _, field := range w[2:] {
			if _, ok := it.hash[field]; ok {
				n++
				delete(it.hash, field)
			}
		}
		if len(it.hash) == 0 {
			delete(s.keys, w[1])
		}
	}
	return n, nil
}

// A ranked member of a sorted set.
type ranked struct {
	member string
	score  float64
}

func (s *Server) sorted(w []string) (any, error) {
	it := s.find(w[1])
	if it != nil && it.set == nil {
		return nil, errType
	}
	if it == nil {
		it = &item{set: make(map[string]float64)}
	}
	n := int64(0)
	switch strings.ToUpper(w[0]) {
	case "ZADD":
		only := strings.EqualFold(w[2], "XX")
		if only {
			w = w[1:]
		}
		for i := 2; i+1 < len(w); i += 2 {
			score, err := strconv.ParseFloat(w[i], 64)
			if err != nil {
				return nil, refusal("ERR value is not a valid float")
			}
			if _, old := it.set[w[i+1]]; old || !only {
				if !old {
					n++
				}
				it.set[w[i+1]] = score
			}
		}
		if key := w[1]; only {
			return n, nil // It was there, or is not made.
		} else if s.find(key) == nil {
			s.keys[key] = it
		}
		return n, nil
	case "ZREM":
		for _, member := range w[2:] {
			if _, ok := it.set[member]; ok {
				n++
				delete(it.set, member)
			}
		}
		if len(it.set) == 0 {
			delete(s.keys, w[1])
		}
		return n, nil
	case "ZSCORE":
		if score, ok := it.set[w[2]]; ok {
			return decimal(score), nil
		}
		return nil, nil
	case "ZCARD":
		return int64(len(it.set)), nil
	}
	all := make([]ranked, 0, len(it.set))
	for member, score := range it.set {
		all = append(all, ranked{member, score})
	}
	slices.SortFunc(all, func(a, b ranked) int {
		return cmp.Or(cmp.Compare(a.score, b.score), cmp.Compare(a.member, b.member))
	})
	switch strings.ToUpper(w[0]) {
	case "ZRANK":
		if i := slices.IndexFunc(all, func(r ranked) bool { return r.member == w[2] }); i >= 0 {
			return int64(i), nil
		}
		return nil, nil
	case "ZCOUNT":
		return int64(len(within(all, w[2], w[3]))), nil
	case "ZRANGEBYSCORE":
		return chosen(within(all, w[2], w[3]), w[4:])
	}
	from, to := int(number(w[2])), int(number(w[3]))
	if from < 0 {
		from = max(0, from+len(all))
	}
	if to < 0 {
		to += len(all)
	}
	if to = min(to, len(all)-1); from > to {
		return []any{}, nil
	}
	return chosen(all[from:to+1], w[4:])
}

// within returns the members with scores in a range.
func within(all []ranked, from, to string) []ranked {
	inside := func(score float64, bound string, sign float64) bool {
		bound, without := strings.CutPrefix(bound, "(")
		b, err := strconv.ParseFloat(bound, 64)
		d := (score - b) * sign
		if without {
			return err == nil && d > 0
		}
		return err == nil && d >= 0
	}
	return slices.DeleteFunc(all, func(r ranked) bool { return !inside(r.score, from, 1) || !inside(r.score, to, -1) })
}

// chosen returns members as WITHSCORES and LIMIT say.
func chosen(all []ranked, options []string) (any, error) {
	scores := false
	for i := 0; i < len(options); i++ {
		switch strings.ToUpper(options[i]) {
		case "WITHSCORES":
			scores = true
		case "LIMIT":
			skip, most := int(number(options[i+1])), int(number(options[i+2]))
			all = all[min(skip, len(all)):]
			all = all[:min(most, len(all))]
			i += 2
		default:
			return nil, refusal("ERR syntax error")
		}
	}
	list := make([]any, 0, 2*len(all))
	for _, r := range all {
		if list = append(list, r.member); scores {
			list = append(list, decimal(r.score))
		}
	}
	return list, nil
}

func number(word string) int64 {
	f, _ := strconv.ParseFloat(word, 64)
	return int64(f)
}

func decimal(score float64) string { return strconv.FormatFloat(score, 'g', 17, 64) }
