package verifier

import (
	"fmt"
	"net/http"
	"strings"
	"sync"

	"cel.dev/cel-go/cel"
)

// Expression is a condition in the Common Expression Language (CEL) on a verified
// token and the request that came with it. It is safe for concurrent use.
type Expression struct {
	source  string
	program cel.Program
	reads   Reads
	// AsksRequest is true if the expression reads the request, not only the token.
	AsksRequest bool
}

// maxCost bounds one evaluation, whatever lists a token has, in CEL's units: about
// one for each step, of 1 or 2 µs. `"x" in claims.groups` takes one unit for each of
// the groups; a loop over them takes some, so it ends beyond about 1,000.
const maxCost = 10_000

// variables are the variables of an expression. The query and headers are not among them:
// they may be repeated, and upstreams differ in which one counts.
const variables = "claims, scopes, client_id, issuer, audience, request.method, request.host, request.path"

var environment = sync.OnceValues(func() (*cel.Env, error) {
	return cel.NewEnv(append(pathFunctions(),
		cel.Variable("claims", cel.MapType(cel.StringType, cel.DynType)),
		cel.Variable("scopes", cel.ListType(cel.StringType)),
		cel.Variable("client_id", cel.StringType),
		cel.Variable("issuer", cel.StringType),
		cel.Variable("audience", cel.ListType(cel.StringType)),
		cel.Variable("request.method", cel.StringType),
		cel.Variable("request.host", cel.StringType),
		cel.Variable(pathVariable, cel.StringType),
		cel.CustomTypeAdapter(claimAdapter{}),
		cel.ASTValidators(cel.ValidateRegexLiterals(), cel.ValidateDurationLiterals(), cel.ValidateTimestampLiterals()),
	)...)
})

// NewExpression compiles a condition. It returns an error, with the place in the text, for
// wrong syntax, an unknown name, types that do not fit, or a result that is not a bool.
// The type of a claim is known only with the token.
func NewExpression(source string) (*Expression, error) {
	env, err := environment()
	if err != nil {
		return nil, fmt.Errorf("preparing CEL: %w", err)
	}
	checked, issues := env.Compile(source)
	if errs := issues.Errors(); len(errs) > 0 {
		at := errs[0].Location
		return nil, fmt.Errorf("compiling the expression %.200q: line %d, column %d: %s; known: %s",
			source, at.Line(), at.Column()+1, errs[0].Message, variables)
	}
	if t := checked.OutputType(); t != cel.BoolType {
		return nil, fmt.Errorf("compiling the expression %.200q: it gives %s, not bool; compare it, as in: claims.tenant == 'a'", source, t)
	}
	compared, err := comparePaths(env, checked)
	if err != nil {
		return nil, fmt.Errorf("compiling the expression %.200q: %w", source, err)
	}
	program, err := env.Program(compared, cel.EvalOptions(cel.OptOptimize), cel.CostLimit(maxCost), cel.CostTracking(pathCost{}))
	if err != nil {
		return nil, fmt.Errorf("compiling the expression %.200q: %w", source, err)
	}
	e := &Expression{source: source, program: program, reads: readsOf(checked)}
	for _, reference := range checked.NativeRep().ReferenceMap() {
		e.AsksRequest = e.AsksRequest || strings.HasPrefix(reference.Name, "request.")
	}
	return e, nil
}

// comparePaths replaces comparisons with request.path. See [errCase].
func comparePaths(env *cel.Env, checked *cel.Ast) (*cel.Ast, error) {
	optimizer, err := cel.NewStaticOptimizer(pathComparisons{})
	if err != nil {
		return nil, err
	}
	compared, issues := optimizer.Optimize(env, checked)
	return compared, issues.Err()
}

// String returns the condition as it was written.
func (e *Expression) String() string { return e.source }

// evaluate returns a refusal unless the condition is true. A condition that cannot be
// evaluated, because a claim is missing or has another type, or because it costs too much,
// is not true.
func (e *Expression) evaluate(c *Claims, request *http.Request) error {
	result, _, err := e.program.Eval(&activation{c, request})
	if err != nil {
		return Refuse(ExpressionRefused, fmt.Errorf("evaluating the expression %.200q: %w", e.source, err))
	}
	if result.Value() != true {
		return Refuse(ExpressionRefused, fmt.Errorf("the expression %.200q is false", e.source))
	}
	return nil
}
