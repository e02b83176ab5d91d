//go:build !race

package schedules

// perKind is how many schedules each primitive has.
const perKind = 15_000

const raceDetector = false
