package flock

// RingOffset is a byte that Ring may set to zero; nothing may be kept there.
const RingOffset = 4095
