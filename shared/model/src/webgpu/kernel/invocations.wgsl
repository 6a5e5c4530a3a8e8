// Numbers the invocations of a kernel that says what each of them does.

@compute @workgroup_size($WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.x + id.y * groups.x * $WG;
    if (i < p.n) {
        invocation(i);
    }
}
