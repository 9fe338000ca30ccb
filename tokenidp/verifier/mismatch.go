package verifier

// Mismatch is the cause of a refusal, with the values that are accepted.
type Mismatch struct {
	Found    string // such as: aud is "stock-api"
	Expected string // such as: orders-api
}

func (m *Mismatch) Error() string { return m.Found + "; accepted: " + m.Expected }
