package labeling

// Telemetry is what labeling asks of the telemetry store.
type Telemetry interface{}
