package verifier

// Mismatch is the cause of a refusal that knows which values would have been accepted.
type Mismatch struct {
	Found    string // as in: aud is "stock-api"
	Expected string // as in: orders-api
}

func (m *Mismatch) Error() string { return m.Found + "; accepted: " + m.Expected }
