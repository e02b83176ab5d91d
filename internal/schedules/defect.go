package schedules

// A Defect is a mistake that is planted in the backend, to show that it is
// noticed.
type Defect string

// The defects. The names say what the backend does wrong.
const (
	None                Defect = ""
	ReleaseUnchecked    Defect = "a release frees whoever holds"
	ValidityFromTheEnd  Defect = "the lease is counted from the reply"
	LongerThanTheServer Defect = "the client believes in a longer lease than the server's"
	FastServerClock     Defect = "the server's clock runs faster than the margin allows"
	NoGiveBack          Defect = "what a failed acquire may have taken is not given back"
	TokenRepeated       Defect = "a token is given twice"
	TokenReset          Defect = "a restart without data forgets the tokens"
	OneTooMany          Defect = "one holder too many is let in"
	DeafRenewal         Defect = "the client takes every answer to a renewal for a yes"
	NoQuarantine        Defect = "a server that has lost its data grants at once"
	NoBackstop          Defect = "a waiter relies on being told"
	UncheckedResource   Defect = "the resource accepts every token"
)
