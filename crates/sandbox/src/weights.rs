//! What each operator costs, in steps. One step is about what one plain integer operation takes on the reference PC.
//!
//! - (A) Integers only, the same on every machine; a change of this table is a change of the profile's name.
//! - (B) No loop is free: each branch, call and call to the host costs at least one step.
//! - (C) Work whose size is known only while it runs costs by its size: a step per byte or element, 255 per page grown.
//!
//! A branch and a load cost more than their instruction, because programs full of them wait: for a guess that was wrong, for a
//! place that depends on the last one. Loads of single bytes stand for text, where both are common.
//!
//! Moving values between locals and the stack costs nothing, because no machine code comes of it. Floating point costs what
//! making NaN canonical makes it cost. Rounding, population counts and some lane operations are dear because code is made for
//! the baseline of the processor family, which has no instruction for them. `benches/profile.rs` prints how far apart the
//! sample kernels are with it.

use wasmtime::OperatorCost;

/// Sets the weight of operators: `weight: names;`.
macro_rules! weigh {
    ($cost:ident { $($weight:literal: $($name:ident)*;)* }) => { $($($cost.$name = $weight;)*)* };
}

/// The first table; operators that are not named keep one step.
pub(crate) fn cost_table_v1() -> OperatorCost {
    let mut cost = OperatorCost::new();
    weigh_moves(&mut cost);
    weigh_numbers(&mut cost);
    weigh_lanes(&mut cost);
    cost.variable.memory_grow_per_page = 255;
    cost
}

/// Control, locals, memory.
fn weigh_moves(cost: &mut OperatorCost) {
    weigh!(cost {
        0: LocalGet LocalSet LocalTee I32Const I64Const F32Const F64Const I32WrapI64 I64ExtendI32U;
        1: Br;
        2: Select TypedSelect;
        5: Call;
        8: BrIf If;
        10: BrTable;
        10: CallIndirect;
        1: F32Load F64Load F32Store F64Store;
        3: I32Load I64Load I32Store I64Store I32Store8 I32Store16 I64Store8 I64Store16 I64Store32;
        7: I32Load8S I32Load8U I32Load16S I32Load16U I64Load8S I64Load8U I64Load16S I64Load16U I64Load32S I64Load32U;
        20: MemoryCopy MemoryFill MemoryInit TableCopy TableFill TableInit DataDrop ElemDrop;
        100: MemoryGrow TableGrow;
    });
}

/// Numbers, one at a time.
fn weigh_numbers(cost: &mut OperatorCost) {
    weigh!(cost {
        3: I32Clz I64Clz I32Ctz I64Ctz F32Copysign F64Copysign F32Abs F64Abs F32Neg F64Neg;
        10: I32Popcnt I64Popcnt;
        16: I32DivS I32DivU I32RemS I32RemU;
        24: I64DivS I64DivU I64RemS I64RemU;
        2: F32Eq F32Ne F32Lt F32Gt F32Le F32Ge F64Eq F64Ne F64Lt F64Gt F64Le F64Ge;
        6: F32Add F32Sub F32Mul F64Add F64Sub F64Mul;
        24: F32Div F64Div F32Sqrt F64Sqrt;
        8: F32Min F32Max F64Min F64Max;
        20: F32Ceil F32Floor F32Trunc F32Nearest F64Ceil F64Floor F64Trunc F64Nearest;
        3: F32ConvertI32S F32ConvertI32U F32ConvertI64S F64ConvertI32S F64ConvertI32U F64ConvertI64S;
        6: F32ConvertI64U F64ConvertI64U F32DemoteF64 F64PromoteF32;
        6: I32TruncF32S I32TruncF32U I32TruncF64S I32TruncF64U I64TruncF32S I64TruncF32U I64TruncF64S I64TruncF64U
            I32TruncSatF32S I32TruncSatF32U I32TruncSatF64S I32TruncSatF64U I64TruncSatF32S I64TruncSatF32U I64TruncSatF64S
            I64TruncSatF64U;
    });
}

/// Lanes: what has one instruction costs one or two steps, what is put together from several costs as many.
fn weigh_lanes(cost: &mut OperatorCost) {
    weigh!(cost {
        0: V128Const;
        3: V128Load V128Load8x8S V128Load8x8U V128Load16x4S V128Load16x4U V128Load32x2S V128Load32x2U V128Load32Zero
            V128Load64Zero V128Store V128Load8Lane V128Load16Lane V128Load32Lane V128Load64Lane V128Store8Lane
            V128Store16Lane V128Store32Lane V128Store64Lane;
        4: V128Load8Splat V128Load16Splat V128Load32Splat V128Load64Splat I8x16Splat I16x8Splat I8x16Abs I16x8Abs I32x4Abs
            I64x2Abs V128Bitselect V128AnyTrue I8x16AllTrue I16x8AllTrue I32x4AllTrue I64x2AllTrue I16x8Mul I32x4DotI16x8S;
        8: I8x16Shuffle I8x16Swizzle I8x16Shl I8x16ShrS I8x16ShrU I64x2ShrS I32x4Mul I64x2Mul I8x16Popcnt I64x2LtS I64x2GtS
            I64x2LeS I64x2GeS I16x8Q15MulrSatS I16x8ExtAddPairwiseI8x16S I16x8ExtAddPairwiseI8x16U I32x4ExtAddPairwiseI16x8S
            I32x4ExtAddPairwiseI16x8U I64x2ExtMulLowI32x4S I64x2ExtMulHighI32x4S I64x2ExtMulLowI32x4U I64x2ExtMulHighI32x4U;
        8: F32x4Add F32x4Sub F32x4Mul F64x2Add F64x2Sub F64x2Mul;
        32: F32x4Div F64x2Div F32x4Sqrt F64x2Sqrt;
        10: F32x4Min F32x4Max F64x2Min F64x2Max I32x4TruncSatF32x4S I32x4TruncSatF32x4U I32x4TruncSatF64x2SZero
            I32x4TruncSatF64x2UZero F32x4ConvertI32x4U F64x2ConvertLowI32x4U F32x4DemoteF64x2Zero F64x2PromoteLowF32x4;
        40: F64x2Ceil F64x2Floor F64x2Trunc F64x2Nearest;
        80: F32x4Ceil F32x4Floor F32x4Trunc F32x4Nearest;
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_loop_is_free() {
        let cost = cost_table_v1();
        let turns =
            [cost.Br, cost.BrIf, cost.BrTable, cost.Call, cost.CallIndirect, cost.ReturnCall, cost.ReturnCallIndirect];
        assert!(turns.iter().all(|weight| *weight > 0));
        let by_size = [
            cost.variable.memory_copy_per_byte,
            cost.variable.memory_fill_per_byte,
            cost.variable.memory_init_per_byte,
            cost.variable.memory_grow_per_page,
            cost.variable.table_copy_per_element,
            cost.variable.table_fill_per_element,
            cost.variable.table_init_per_element,
            cost.variable.table_grow_per_element,
        ];
        assert!(by_size.iter().all(|weight| *weight > 0));
    }
}
