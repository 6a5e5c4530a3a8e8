// A chain of element-wise operators, generated: operands are read in any order, the result is written in its own.

fn invocation(i: u32) {
$BODY
}
