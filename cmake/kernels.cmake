# SPDX-License-Identifier: Apache-2.0
# How the kernels are compiled.
#
# src/backend/reference/*.c  no fused multiply-add: they are what the others are checked against.
# src/backend/cpu/*.c        fused multiply-add allowed.
# src/score/distance.c       the same.
# src/backend/cpu/isa/*.c    one generic source a kernel, compiled once for each instruction set and chosen at run time:
#                            SPK_ISA_SUFFIX=_v3 (any x86-64-v3 processor) and SPK_ISA_SUFFIX=_v4 (AVX-512 F BW DQ VL CD).
#                            SPK_ISA is v3 or v4, SPK_ISA_LEVEL is 3 or 4 (for #if). The source names its functions with
#                            the suffix, and a plain file of src/backend/cpu picks by the processor's flags.
#                            They are not part of the room's ordinary list of files.
#                            Those that have kernels for bfloat16 frames (SPK_OMP_BF16_OPS) are compiled twice more, with
#                            SPK_ISA_BF16 and the suffixes _bf16_v3 and _bf16_v4.
file(GLOB_RECURSE reference_sources CONFIGURE_DEPENDS src/backend/reference/*.c)
file(GLOB_RECURSE cpu_sources CONFIGURE_DEPENDS src/backend/cpu/*.c)
file(GLOB isa_sources CONFIGURE_DEPENDS src/backend/cpu/isa/*.c)
set_source_files_properties(${reference_sources} PROPERTIES COMPILE_OPTIONS "-ffp-contract=off")
set_source_files_properties(${cpu_sources} src/score/distance.c PROPERTIES COMPILE_OPTIONS "-ffp-contract=fast")

# spk_isa_kernels(SUFFIX LEVEL FLAGS...): an object library of the isa sources in `isa_sources`, added to the backend room.
function(spk_isa_kernels suffix level)
  set(name kernels_${suffix})
  add_library(${name} OBJECT ${isa_sources})
  target_link_libraries(${name} PRIVATE spk_flags ${SPK_LIBS_backend})
  target_compile_definitions(${name} PRIVATE SPK_ISA_SUFFIX=_${suffix} SPK_ISA=${suffix} SPK_ISA_LEVEL=${level})
  target_compile_options(${name} PRIVATE -O3 ${ARGN})
  target_sources(room_backend PRIVATE $<TARGET_OBJECTS:${name}>)
endfunction()

if(isa_sources AND TARGET room_backend)
  # The -m flags hold whatever -march stands beside them.
  set(avx512 -mavx512f -mavx512cd -mavx512bw -mavx512dq -mavx512vl -mprefer-vector-width=512)
  spk_isa_kernels(v3 3)
  spk_isa_kernels(v4 4 ${avx512})
  list(FILTER isa_sources INCLUDE REGEX "/(act|attn_stats|batch_norm|by_item|gates|layer_norm|lengths|pointwise|random|rawnet|select|time_stats)\\.c$")
  spk_isa_kernels(bf16_v3 3 -DSPK_ISA_BF16)
  spk_isa_kernels(bf16_v4 4 ${avx512} -DSPK_ISA_BF16)
  list(APPEND objects $<TARGET_OBJECTS:kernels_v3> $<TARGET_OBJECTS:kernels_v4> $<TARGET_OBJECTS:kernels_bf16_v3>
       $<TARGET_OBJECTS:kernels_bf16_v4>)
endif()
