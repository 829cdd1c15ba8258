"""The deployer in a world that goes wrong: seeded, deterministic, on a virtual clock, without a single sleep.

The real listener, builder, sweep and notifier run between in-memory ports. Messages and events are lost, doubled,
delayed and reordered; calls are refused, or answered with silence after they had their effect; processes die between
any two calls; several invocations for one environment go on in turns, call by call. Meanwhile people push, force-push,
delete, recreate, rename and tag. Then the chaos ends, and after a bounded number of sweeps all has to be in place.

    python -m tests.simulation                     many worlds, on all cores
    python -m tests.simulation --seed 42           one world, and its trace if it fails

``world`` puts everything together, ``scheduler`` has the clock, ``chaos`` says what goes wrong, ``people`` push,
``verdict`` judges.
"""
