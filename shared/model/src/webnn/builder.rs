//! Writes a program call by call, and checks each against the limits of the context.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::op::Fact;
use crate::tensor::{DType, Data, Tensor, broadcast, n_elements};

use crate::webnn::limits::Limits;
use crate::webnn::program::{Argument, Call, Constant, OperandId, Program, type_name};

/// Why a step cannot be lowered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reason(pub(super) String);

/// A refusal with its reason.
pub(super) fn refuse<T>(reason: impl Into<String>) -> Result<T, Reason> {
    Err(Reason(reason.into()))
}

/// Positional arguments with named operands.
type Arguments = Vec<Argument>;
/// Members of the options object.
pub(super) type Options = Vec<(&'static str, Argument)>;

/// Identity of a constant: its elements, its shape, how it is transposed.
type ConstantKey = (*const Tensor, Vec<usize>, Option<Vec<usize>>);

/// A program in the making.
pub(super) struct Builder<'a> {
    pub(super) limits: &'a Limits,
    pub(super) program: Program,
    /// Index of the plan's step that is being lowered.
    pub(super) step: usize,
    /// The type that 64-bit integers have in the context.
    pub(super) integer_type: DType,
    constants: BTreeMap<ConstantKey, OperandId>,
    scalars: BTreeMap<u32, OperandId>,
}

impl<'a> Builder<'a> {
    pub(super) fn new(limits: &'a Limits) -> Self {
        let wide = Fact::new(DType::I64, Vec::new());
        let is_held = ["input", "constant", "output"].iter().all(|role| limits.takes(role, "", &wide));
        Self {
            limits,
            program: Program::default(),
            step: 0,
            integer_type: if is_held { DType::I64 } else { DType::I32 },
            constants: BTreeMap::new(),
            scalars: BTreeMap::new(),
        }
    }

    pub(super) fn fact(&self, operand: OperandId) -> &Fact {
        &self.program.operands[operand]
    }

    pub(super) fn dims(&self, operand: OperandId) -> Vec<usize> {
        self.fact(operand).dims.clone()
    }

    pub(super) fn dtype(&self, operand: OperandId) -> DType {
        self.fact(operand).dtype
    }

    /// The type that values of a type have in the context.
    fn held(&self, dtype: DType) -> DType {
        if dtype == DType::I64 { self.integer_type } else { dtype }
    }

    fn operand(&mut self, fact: Fact) -> Result<OperandId, Reason> {
        if fact.dims.contains(&0) {
            return refuse("it has a tensor without elements, which WebNN does not know");
        }
        if fact.size_bytes() as u64 > self.limits.max_tensor_bytes {
            let (actual, most) = (fact.size_bytes(), self.limits.max_tensor_bytes);
            return refuse(format!("it has a tensor of {actual} bytes, the context holds {most}"));
        }
        self.program.operands.push(fact);
        Ok(self.program.operands.len() - 1)
    }

    /// An input that the caller gives.
    pub(super) fn input(&mut self, fact: &Fact) -> Result<OperandId, Reason> {
        let fact = Fact::new(self.held(fact.dtype), fact.dims.clone());
        if !self.limits.takes("input", "", &fact) {
            return refuse(format!("the context has no inputs of type {}", type_name(fact.dtype)));
        }
        let operand = self.operand(fact)?;
        self.program.inputs.push(operand);
        Ok(operand)
    }

    /// A constant of shape `dims` with the elements of a tensor, transposed if there is a permutation.
    pub(super) fn constant(
        &mut self,
        tensor: &Arc<Tensor>,
        dims: Vec<usize>,
        permutation: Option<Vec<usize>>,
    ) -> Result<OperandId, Reason> {
        let key = (Arc::as_ptr(tensor), dims.clone(), permutation.clone());
        if let Some(&operand) = self.constants.get(&key) {
            return Ok(operand);
        }
        let dtype = self.held(tensor.dtype());
        if dtype != tensor.dtype()
            && tensor.data().to_i64().is_some_and(|wide| wide.iter().any(|&x| i32::try_from(x).is_err()))
        {
            return refuse("a constant does not fit into 32 bits, and the context has no wider integers");
        }
        let operand = self.operand(Fact::new(dtype, dims))?;
        self.program.constants.push(Constant { operand, tensor: Arc::clone(tensor), permutation });
        self.constants.insert(key, operand);
        Ok(operand)
    }

    /// A constant made here.
    pub(super) fn made(&mut self, dims: Vec<usize>, data: Data) -> Result<OperandId, Reason> {
        match Tensor::new(dims.clone(), data) {
            Some(tensor) => self.constant(&Arc::new(tensor), dims, None),
            None => refuse("a constant has another number of elements than its shape"),
        }
    }

    /// A float, one operand for all its uses.
    pub(super) fn float(&mut self, value: f32) -> Result<OperandId, Reason> {
        if let Some(&operand) = self.scalars.get(&value.to_bits()) {
            return Ok(operand);
        }
        let operand = self.made(Vec::new(), Data::F32(vec![value]))?;
        self.scalars.insert(value.to_bits(), operand);
        Ok(operand)
    }

    /// An integer scalar of type `dtype`.
    pub(super) fn integer(&mut self, value: i64, dtype: DType) -> Result<OperandId, Reason> {
        let data = match dtype {
            DType::I64 => Data::I64(vec![value]),
            DType::U8 => Data::U8(vec![value as u8]),
            DType::I8 => Data::I8(vec![value as i8]),
            DType::Bool => Data::Bool(vec![value as u8]),
            DType::I32 | DType::F32 => Data::I32(vec![value as i32]),
        };
        self.made(Vec::new(), data)
    }

    /// A call with one result.
    pub(super) fn call(
        &mut self,
        method: &'static str,
        arguments: Arguments,
        options: Options,
        fact: Fact,
    ) -> Result<OperandId, Reason> {
        self.call_all(method, arguments, options, vec![fact]).map(|results| results[0])
    }

    /// A call; operands of an integer type that the method lacks are widened to `int32`, and results narrowed again.
    pub(super) fn call_all(
        &mut self,
        method: &'static str,
        mut arguments: Arguments,
        mut options: Options,
        mut facts: Vec<Fact>,
    ) -> Result<Vec<OperandId>, Reason> {
        if !self.limits.has(method) {
            return refuse(format!("this browser's WebNN has no {method}"));
        }
        let named: Vec<(&'static str, OperandId)> = arguments
            .iter()
            .chain(options.iter().map(|(_, option)| option))
            .flat_map(|argument| {
                let name = match argument {
                    Argument::Operand(name, _) | Argument::Operands(name, _) => *name,
                    Argument::Number(_) | Argument::Numbers(_) | Argument::Text(_) | Argument::Flag(_) => "",
                };
                argument.operands().iter().map(move |&operand| (name, operand))
            })
            .collect();
        let mut lacking = None;
        let mut casts: BTreeMap<OperandId, OperandId> = BTreeMap::new();
        for &(name, operand) in &named {
            let fact = self.fact(operand).clone();
            let [fewest, most] = self.limits.ranks(method, name);
            let rank = fact.dims.len();
            if !(fewest..=most).contains(&rank) {
                return refuse(format!("{method} takes {fewest} to {most} dimensions here, not {rank}"));
            }
            if self.limits.takes(method, name, &fact) {
                continue;
            }
            let wide = Fact::new(DType::I32, fact.dims.clone());
            if fact.dtype == DType::F32 || !self.limits.takes(method, name, &wide) {
                return refuse(format!("{method} does not take {} here", type_name(fact.dtype)));
            }
            if is_index(name) {
                casts.insert(operand, self.cast(operand, DType::I32)?);
            } else {
                lacking = Some(fact.dtype);
            }
        }
        if let Some(dtype) = lacking {
            // Operands of one type stay of one type.
            for &(name, operand) in &named {
                if self.dtype(operand) == dtype && !is_index(name) {
                    casts.insert(operand, self.cast(operand, DType::I32)?);
                }
            }
        }
        let replaced = |operand: &mut OperandId| *operand = *casts.get(operand).unwrap_or(operand);
        for argument in arguments.iter_mut().chain(options.iter_mut().map(|(_, option)| option)) {
            match argument {
                Argument::Operand(_, operand) => replaced(operand),
                Argument::Operands(_, operands) => operands.iter_mut().for_each(replaced),
                Argument::Number(_) | Argument::Numbers(_) | Argument::Text(_) | Argument::Flag(_) => {}
            }
        }
        let mut narrowed = Vec::new();
        for (index, fact) in facts.iter_mut().enumerate() {
            if Some(fact.dtype) == lacking {
                narrowed.push(index);
                fact.dtype = DType::I32;
            }
        }
        let mut results = facts.into_iter().map(|fact| self.operand(fact)).collect::<Result<Vec<_>, _>>()?;
        let step = self.step;
        self.program.calls.push(Call { method, arguments, options, results: results.clone(), step });
        for index in narrowed {
            results[index] = self.cast(results[index], lacking.unwrap_or(DType::I32))?;
        }
        Ok(results)
    }

    /// A function of one operand that keeps type and shape.
    pub(super) fn unary(&mut self, method: &'static str, x: OperandId) -> Result<OperandId, Reason> {
        self.unary_with(method, x, Vec::new())
    }

    /// A function of one operand with options, which keeps type and shape.
    pub(super) fn unary_with(
        &mut self,
        method: &'static str,
        x: OperandId,
        options: Options,
    ) -> Result<OperandId, Reason> {
        let fact = self.fact(x).clone();
        self.call(method, vec![Argument::Operand("input", x)], options, fact)
    }

    /// A function of two operands that broadcast and have one type.
    pub(super) fn binary(
        &mut self,
        method: &'static str,
        a: OperandId,
        b: OperandId,
    ) -> Result<OperandId, Reason> {
        let dtype = self.dtype(a);
        self.binary_to(method, a, b, dtype)
    }

    /// A comparison or logical function of two operands.
    pub(super) fn relation(
        &mut self,
        method: &'static str,
        a: OperandId,
        b: OperandId,
    ) -> Result<OperandId, Reason> {
        self.binary_to(method, a, b, DType::Bool)
    }

    fn binary_to(
        &mut self,
        method: &'static str,
        a: OperandId,
        b: OperandId,
        dtype: DType,
    ) -> Result<OperandId, Reason> {
        let Some(dims) = broadcast(&self.fact(a).dims, &self.fact(b).dims) else {
            return refuse("its operands do not broadcast");
        };
        let arguments = vec![Argument::Operand("a", a), Argument::Operand("b", b)];
        self.call(method, arguments, Vec::new(), Fact::new(dtype, dims))
    }

    /// `condition ? a : b`.
    pub(super) fn choose(
        &mut self,
        condition: OperandId,
        a: OperandId,
        b: OperandId,
    ) -> Result<OperandId, Reason> {
        let values = broadcast(&self.fact(a).dims, &self.fact(b).dims);
        let Some(dims) = values.and_then(|values| broadcast(&self.fact(condition).dims, &values)) else {
            return refuse("its operands do not broadcast");
        };
        let arguments = vec![
            Argument::Operand("condition", condition),
            Argument::Operand("trueValue", a),
            Argument::Operand("falseValue", b),
        ];
        let dtype = self.dtype(a);
        self.call("where", arguments, Vec::new(), Fact::new(dtype, dims))
    }

    /// The same elements in another shape.
    pub(super) fn reshape(&mut self, x: OperandId, dims: &[usize]) -> Result<OperandId, Reason> {
        if self.fact(x).dims == dims {
            return Ok(x);
        }
        let arguments = vec![Argument::Operand("input", x), Argument::Numbers(dims.to_vec())];
        let fact = Fact::new(self.dtype(x), dims.to_vec());
        self.call("reshape", arguments, Vec::new(), fact)
    }

    /// Dimension `i` of the result is dimension `permutation[i]` of `x`.
    pub(super) fn transpose(&mut self, x: OperandId, permutation: &[usize]) -> Result<OperandId, Reason> {
        let fact = self.fact(x).clone();
        if permutation.iter().enumerate().all(|(axis, &from)| axis == from) {
            return Ok(x);
        }
        let dims: Vec<usize> = permutation.iter().map(|&axis| fact.dims[axis]).collect();
        let moves = |dims: &[usize], axes: &mut dyn Iterator<Item = usize>| -> Vec<usize> {
            axes.filter(|&axis| dims[axis] != 1).collect()
        };
        // Moving dimensions of length 1 about moves no element.
        if moves(&fact.dims, &mut (0..fact.dims.len())) == moves(&fact.dims, &mut permutation.iter().copied())
        {
            return self.reshape(x, &dims);
        }
        let options = vec![("permutation", Argument::Numbers(permutation.to_vec()))];
        self.call("transpose", vec![Argument::Operand("input", x)], options, Fact::new(fact.dtype, dims))
    }

    /// Conversion to another type.
    pub(super) fn cast(&mut self, x: OperandId, dtype: DType) -> Result<OperandId, Reason> {
        let dtype = self.held(dtype);
        if type_name(self.dtype(x)) == type_name(dtype) {
            return Ok(x);
        }
        let arguments = vec![Argument::Operand("input", x), Argument::Text(type_name(dtype))];
        let fact = Fact::new(dtype, self.dims(x));
        if !self.limits.takes("cast", "output", &fact) {
            return refuse(format!("cast does not give {} here", type_name(dtype)));
        }
        self.call("cast", arguments, Vec::new(), fact)
    }

    /// A reduction over axes.
    pub(super) fn reduce(
        &mut self,
        method: &'static str,
        x: OperandId,
        axes: &[usize],
        keeps_dims: bool,
    ) -> Result<OperandId, Reason> {
        let fact = self.fact(x);
        let dims = (0..fact.dims.len())
            .filter(|axis| keeps_dims || !axes.contains(axis))
            .map(|axis| if axes.contains(&axis) { 1 } else { fact.dims[axis] })
            .collect();
        let fact = Fact::new(fact.dtype, dims);
        let options =
            vec![("axes", Argument::Numbers(axes.to_vec())), ("keepDimensions", Argument::Flag(keeps_dims))];
        self.call(method, vec![Argument::Operand("input", x)], options, fact)
    }

    /// Elements `starts[i] + steps[i] · index` along each dimension, as many as `dims` says.
    pub(super) fn slice(
        &mut self,
        x: OperandId,
        starts: &[usize],
        dims: &[usize],
        steps: &[usize],
    ) -> Result<OperandId, Reason> {
        let covered = dims.iter().zip(steps).map(|(n, step)| (n - 1) * step + 1).collect();
        let arguments = vec![
            Argument::Operand("input", x),
            Argument::Numbers(starts.to_vec()),
            Argument::Numbers(covered),
        ];
        let options = if steps.iter().all(|&step| step == 1) {
            Vec::new()
        } else {
            vec![("strides", Argument::Numbers(steps.to_vec()))]
        };
        let fact = Fact::new(self.dtype(x), dims.to_vec());
        self.call("slice", arguments, options, fact)
    }

    /// Operands one after another along an axis.
    pub(super) fn concat(&mut self, parts: Vec<OperandId>, axis: usize) -> Result<OperandId, Reason> {
        let mut fact = self.fact(parts[0]).clone();
        fact.dims[axis] = parts.iter().map(|&part| self.fact(part).dims[axis]).sum();
        let arguments = vec![Argument::Operands("inputs", parts), Argument::Number(axis as f64)];
        self.call("concat", arguments, Vec::new(), fact)
    }

    /// Padding of a value before and after each dimension.
    pub(super) fn pad(
        &mut self,
        x: OperandId,
        before: &[usize],
        after: &[usize],
        options: Options,
    ) -> Result<OperandId, Reason> {
        let fact = self.fact(x);
        let dims =
            fact.dims.iter().zip(before.iter().zip(after)).map(|(n, (before, after))| n + before + after);
        let fact = Fact::new(fact.dtype, dims.collect());
        let arguments = vec![
            Argument::Operand("input", x),
            Argument::Numbers(before.to_vec()),
            Argument::Numbers(after.to_vec()),
        ];
        self.call("pad", arguments, options, fact)
    }

    /// Slices of `x` at the indices along an axis.
    pub(super) fn gather(
        &mut self,
        x: OperandId,
        indices: OperandId,
        axis: usize,
    ) -> Result<OperandId, Reason> {
        let (from, at) = (self.dims(x), self.dims(indices));
        let dims = [&from[..axis], &at, &from[axis + 1..]].concat();
        let arguments = vec![Argument::Operand("input", x), Argument::Operand("indices", indices)];
        let fact = Fact::new(self.dtype(x), dims);
        self.call("gather", arguments, vec![("axis", Argument::Number(axis as f64))], fact)
    }

    /// Matrix product over the last two dimensions.
    pub(super) fn matmul(&mut self, a: OperandId, b: OperandId) -> Result<OperandId, Reason> {
        let (a_dims, b_dims) = (self.dims(a), self.dims(b));
        let (a_batch, b_batch) = (&a_dims[..a_dims.len() - 2], &b_dims[..b_dims.len() - 2]);
        let Some(mut dims) = broadcast(a_batch, b_batch) else {
            return refuse("its batches do not broadcast");
        };
        dims.extend([a_dims[a_dims.len() - 2], b_dims[b_dims.len() - 1]]);
        let arguments = vec![Argument::Operand("a", a), Argument::Operand("b", b)];
        self.call("matmul", arguments, Vec::new(), Fact::new(DType::F32, dims))
    }

    /// True when an operand has one element.
    pub(super) fn is_scalar(&self, operand: OperandId) -> bool {
        n_elements(&self.fact(operand).dims) == 1
    }
}

/// Operands that say where, not what: their type is their own.
fn is_index(name: &str) -> bool {
    matches!(name, "indices" | "condition")
}
