//go:build !race

package schedules

// perKind is how many schedules each primitive has.
const perKind = 5000

const raceDetector = false
