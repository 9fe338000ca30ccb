//go:build !goexperiment.boringcrypto

package jws

const boringCrypto = false
