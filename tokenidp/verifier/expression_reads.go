package verifier

import (
	"slices"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
)

// Reads is what an expression reads of a token.
type Reads struct {
	// Claims are the names of claims, and AllClaims is true if it may read any.
	Claims    []string
	AllClaims bool
	// Scopes and ClientID are true if it reads these variables.
	Scopes, ClientID bool
}

// Reads returns what the expression reads of a token.
func (e *Expression) Reads() Reads { return e.reads }

func readsOf(checked *cel.Ast) (r Reads) {
	root := ast.NavigateAST(checked.NativeRep())
	for _, ident := range ast.MatchDescendants(root, ast.KindMatcher(ast.IdentKind)) {
		switch ident.AsIdent() {
		case "scopes":
			r.Scopes = true
		case "client_id":
			r.ClientID = true
		case "claims":
			name, ok := memberRead(ident)
			r.AllClaims = r.AllClaims || !ok
			if ok && !slices.Contains(r.Claims, name) {
				r.Claims = append(r.Claims, name)
			}
		}
	}
	return r
}

// memberRead returns the name of the claim that is read, as in claims.tenant and
// claims["tenant"].
func memberRead(ident ast.NavigableExpr) (name string, ok bool) {
	parent, ok := ident.Parent()
	switch {
	case !ok:
		return "", false
	case parent.Kind() == ast.SelectKind:
		return parent.AsSelect().FieldName(), true
	case parent.Kind() == ast.CallKind && parent.AsCall().FunctionName() == operators.Index:
		args := parent.AsCall().Args()
		if len(args) != 2 || args[0].ID() != ident.ID() || args[1].Kind() != ast.LiteralKind {
			return "", false
		}
		name, ok := args[1].AsLiteral().(types.String)
		return string(name), ok
	}
	return "", false
}
