package verifier

import (
	"errors"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

const pathVariable = "request.path"

// comparisons are the functions of CEL whose result can depend on the case of a path.
var comparisons = map[string]bool{
	operators.Equals: true, operators.NotEquals: true, operators.In: true,
	overloads.StartsWith: true, overloads.EndsWith: true, overloads.Contains: true, overloads.Matches: true,
}

// A comparison with request.path becomes compareBoth of the original comparison and of the
// same comparison with lowerCase around its operands. An expression cannot contain these
// names.
const (
	compareBoth = "@compare_both"
	lowerCase   = "@lower_case"
)

// errCase is the result of a comparison that depends on the case of the path. Caddy's
// matchers take /orders/ADMIN for /orders/admin, so a rule must neither forbid the one
// alone nor permit both. In CEL, an error is neither true nor false, and its negation is
// an error too.
var errCase = errors.New("request.path differs in case alone from what it is compared with")

func pathFunctions() []cel.EnvOption {
	return []cel.EnvOption{
		cel.Function(compareBoth, cel.Overload("compare_both", []*cel.Type{cel.BoolType, cel.BoolType}, cel.BoolType,
			cel.BinaryBinding(func(exact, folded ref.Val) ref.Val {
				if exact != folded {
					return types.WrapErr(errCase)
				}
				return exact
			}))),
		cel.Function(lowerCase, cel.Overload("lower_case", []*cel.Type{cel.DynType}, cel.DynType, cel.UnaryBinding(lower))),
	}
}

// lower returns a value as Caddy's path matchers compare it. For a map, it changes the
// keys.
func lower(v ref.Val) ref.Val {
	switch v := v.(type) {
	case types.String:
		return types.String(strings.ToLower(string(v)))
	case traits.Lister:
		return lowerAll(v)
	case traits.Mapper:
		return lowerAll(v)
	}
	return v
}

func lowerAll(v traits.Iterable) ref.Val {
	var all []ref.Val
	for i := v.Iterator(); i.HasNext() == types.True; {
		all = append(all, lower(i.Next()))
	}
	return types.NewRefValList(types.DefaultTypeAdapter, all)
}

// pathComparisons replaces the comparisons of an expression that involve request.path.
type pathComparisons struct{}

func (pathComparisons) Optimize(ctx *cel.OptimizerContext, a *ast.AST) *ast.AST {
	for _, e := range ast.MatchDescendants(ast.NavigateAST(a), func(e ast.NavigableExpr) bool { return comparesPath(a, e) }) {
		name, operands := e.AsCall().FunctionName(), e.AsCall().Args()
		call := ctx.NewCall
		if e.AsCall().IsMemberFunction() {
			operands = append([]ast.Expr{e.AsCall().Target()}, operands...)
			call = func(name string, operands ...ast.Expr) ast.Expr {
				return ctx.NewMemberCall(name, operands[0], operands[1:]...)
			}
		}
		var lowered []ast.Expr
		for i, operand := range operands {
			operand = ctx.CopyASTAndMetadata(ctx.NewAST(operand))
			if name == overloads.Matches && i == 1 {
				lowered = append(lowered, ignoringCase(ctx, operand))
			} else {
				lowered = append(lowered, ctx.NewCall(lowerCase, operand))
			}
		}
		ctx.UpdateExpr(e, ctx.NewCall(compareBoth, call(name, operands...), call(name, lowered...)))
	}
	return a
}

// ignoringCase returns a pattern that ignores case. The pattern itself keeps its letters:
// \D is not \d. CEL compiles a literal once.
func ignoringCase(ctx *cel.OptimizerContext, pattern ast.Expr) ast.Expr {
	const flag = "(?i)"
	if literal, ok := pattern.AsLiteral().(types.String); ok {
		return ctx.NewLiteral(flag + literal)
	}
	return ctx.NewCall(operators.Add, ctx.NewLiteral(types.String(flag)), pattern)
}

// comparesPath reports whether the call is a comparison with the path: in an operand, or in
// the list of a macro.
func comparesPath(a *ast.AST, e ast.NavigableExpr) bool {
	if e.Kind() != ast.CallKind || !comparisons[e.AsCall().FunctionName()] {
		return false
	}
	if hasPath(a, e) {
		return true
	}
	for parent, ok := e.Parent(); ok; parent, ok = parent.Parent() {
		if parent.Kind() == ast.ComprehensionKind && hasPath(a, ast.NavigateExpr(a, parent.AsComprehension().IterRange())) {
			return true
		}
	}
	return false
}

func hasPath(a *ast.AST, e ast.NavigableExpr) bool {
	return len(ast.MatchDescendants(e, func(e ast.NavigableExpr) bool {
		reference := a.ReferenceMap()[e.ID()]
		return reference != nil && reference.Name == pathVariable
	})) > 0
}

// pathCost counts lowerCase as CEL counts functions of its own: one unit for each element
// of a list, and some for the length of a text.
type pathCost struct{}

func (pathCost) CallCost(function, _ string, args []ref.Val, _ ref.Val) *uint64 {
	if function != lowerCase {
		return nil
	}
	cost := uint64(1)
	switch v := args[0].(type) {
	case types.String:
		cost += uint64(len(v)) / 10
	case traits.Sizer:
		size, _ := v.Size().(types.Int)
		cost += uint64(max(size, 0))
	}
	return &cost
}
