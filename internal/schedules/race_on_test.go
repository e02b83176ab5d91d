//go:build race

package schedules

// perKind is less under the race detector, which is here for the races.
const perKind = 200

const raceDetector = true
