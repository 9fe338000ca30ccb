package verifier

// Mismatch is the cause of a refusal that can say what would have passed.
type Mismatch struct {
	Found    string // as in: aud is "stock-api"
	Expected string // as in: orders-api
}

func (m *Mismatch) Error() string { return m.Found + "; accepted: " + m.Expected }
