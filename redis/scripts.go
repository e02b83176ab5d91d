package redis

import (
	"cmp"
	"crypto/sha1" // the name that Redis gives to a script, not a safeguard
	"embed"
	"encoding/hex"
	"strconv"
	"strings"
)

// The scripts are the protocol. Each is one attempt that may be delivered twice,
// each repairs what it touches, and all truth is in Redis: messages are hints.
//
//go:embed script/*.lua
var sources embed.FS

// A script is known to a server by its digest.
type script struct {
	name, source, digest string

	joint *script // carries out several of it at once, or nil
}

// A family is what one kind of state can do.
type family struct {
	acquire, release, cancel, poll, extend, sever, inspect *script
}

// A dialect is what the scripts of one provider have written into them. Passing
// these as arguments would cost every call more than the work itself.
type dialect struct {
	lease, claim, wait, retention int64 // ms
	channel                       string
	grants, dead                  int    // that one script makes, and passes over; 0: as many as is good
	counts                        bool   // PUBSUB NUMSUB tells whether a process listens
	clock                         string // for tests: the source of the server's time
}

// bound is how many holders one script ends, or waiters it grants something, and dead
// how many of those who died while they waited it removes, so that no call keeps the
// server for more than a few milliseconds.
const (
	bound = 200
	dead  = 2000
)

func (d dialect) family(kind string) *family {
	f := &family{
		acquire: d.script(kind + "_acquire"),
		release: d.script(kind + "_release"),
		cancel:  d.script(kind + "_cancel"),
		poll:    d.script(kind + "_poll"),
		extend:  d.script(kind + "_extend"),
		sever:   d.script(kind + "_break"),
		inspect: d.script(kind + "_inspect"),
	}
	if kind == "lock" {
		joint := d.script("lock_joint")
		f.acquire.joint, f.release.joint = joint, joint
	}
	return f
}

// script assembles a script from its file and the parts that the file names by
// lines such as "--@queue".
func (d dialect) script(name string) *script {
	var source strings.Builder
	d.assemble(&source, name)
	sum := sha1.Sum([]byte(source.String()))
	return &script{name: name, source: source.String(), digest: hex.EncodeToString(sum[:])}
}

func (d dialect) assemble(to *strings.Builder, name string) {
	text, err := sources.ReadFile("script/" + name + ".lua")
	if err != nil {
		panic(err) // The file is part of the package.
	}
	constants := strings.NewReplacer(
		"@LEASE@", strconv.FormatInt(d.lease, 10),
		"@CLAIM@", strconv.FormatInt(d.claim, 10),
		"@WAIT@", strconv.FormatInt(d.wait, 10),
		"@RETENTION@", strconv.FormatInt(d.retention, 10),
		"@BOUND@", strconv.Itoa(bound),
		"@GRANTS@", strconv.Itoa(cmp.Or(d.grants, bound)),
		"@DEAD@", strconv.Itoa(cmp.Or(d.dead, dead)),
		"@CHANNEL@", d.channel,
		"@TRUST@", strconv.FormatBool(d.counts),
	)
	for line := range strings.Lines(string(text)) {
		part, isPart := strings.CutPrefix(strings.TrimSpace(line), "--@")
		switch {
		case isPart:
			d.assemble(to, part)
		case strings.HasPrefix(strings.TrimSpace(line), "--"):
		case d.clock != "":
			to.WriteString(strings.ReplaceAll(constants.Replace(line), "redis.call('TIME')", d.clock))
		default:
			to.WriteString(constants.Replace(line))
		}
	}
}
