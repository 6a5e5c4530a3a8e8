//! Models on WebGPU: plans become programs of `model::webgpu`, one submission per run.

use std::cell::RefCell;
use std::rc::Rc;

use model::webgpu::Program;
use model::{Plan, Source, Tensor as Operand};
use wire::{Fault, Profile};

use crate::backend::{Backend, File, LocalFuture, Session, Tuned};
use crate::fault::no_profile;
use crate::planned::{self, Planned};
use crate::tensor::Tensor;
use crate::value::Contract;

use self::choices::Measured;
use self::device::Device;
use self::executable::{Executable, Weights};

mod buffer;
mod choices;
mod device;
mod executable;
mod fault;
mod settings;
mod tune;

/// Length of open dimensions for which shaders are compiled when a model is loaded: below it products have narrower tiles.
const USUAL_LENGTH: usize = 8;

/// The WebGPU backend: one device for all models of a worker.
#[derive(Default)]
pub(crate) struct WebgpuBackend {
    devices: Rc<Devices>,
}

/// The device in use.
#[derive(Default)]
struct Devices {
    current: RefCell<Option<Rc<Device>>>,
}

impl Devices {
    /// The device, or a new one when there is none or the last was lost.
    async fn get(&self) -> Result<Rc<Device>, Fault> {
        if let Some(device) = self.working() {
            return Ok(device);
        }
        let device = Device::request().await?;
        // Loads that overlap all ask, and share the first that comes.
        if let Some(other) = self.working() {
            return Ok(other);
        }
        *self.current.borrow_mut() = Some(Rc::clone(&device));
        Ok(device)
    }

    fn working(&self) -> Option<Rc<Device>> {
        self.current.borrow().clone().filter(|device| !device.is_lost())
    }
}

impl Backend for WebgpuBackend {
    fn kind(&self) -> wire::Backend {
        wire::Backend::Webgpu
    }

    fn detail(&self) -> String {
        let device = self.devices.current.borrow();
        device.as_ref().map_or_else(|| "webgpu without a device".to_owned(), |device| device.detail())
    }

    fn load(&self, file: File) -> LocalFuture<'_, Result<Box<dyn Session>, Fault>> {
        let devices = Rc::clone(&self.devices);
        Box::pin(async move {
            let session = WebgpuSession::load(file.as_ref(), devices).await?;
            Ok(Box::new(session) as Box<dyn Session>)
        })
    }
}

/// One model with its weights on the device.
struct WebgpuSession {
    planned: Planned<Executable>,
    devices: Rc<Devices>,
    resident: RefCell<Resident>,
}

/// What a session has on a device.
struct Resident {
    device: Rc<Device>,
    weights: Weights,
}

impl WebgpuSession {
    async fn load(file: &dyn Source, devices: Rc<Devices>) -> Result<Self, Fault> {
        let (planned, plan) = Planned::load(file)?;
        let device = devices.get().await?;
        let mut weights = Weights::default();
        if let Some(plan) = plan {
            let program = Program::new(&plan, &device.target()).map_err(|error| fault::lowering(&error))?;
            // Shaders compile while weights are uploaded and the caller gets its first input ready. Where shapes are open they
            // are those of some small ones, which have most of their shaders in common with larger ones.
            let usual = if planned.is_fixed() { None } else { planned.plan_for_length(USUAL_LENGTH) };
            let usual = usual.and_then(|plan| Program::new(&plan, &device.target()).ok());
            device.compile(&usual.as_ref().unwrap_or(&program).shaders);
            device.watched(|| weights.upload(&device, &program)).await?;
        }
        Ok(Self { planned, devices, resident: RefCell::new(Resident { device, weights }) })
    }

    /// The device that holds the model: after a loss a new one, which gets everything again.
    async fn device(&self) -> Result<Rc<Device>, Fault> {
        let device = self.devices.get().await?;
        let mut resident = self.resident.borrow_mut();
        if !Rc::ptr_eq(&resident.device, &device) {
            self.planned.forget();
            *resident = Resident { device: Rc::clone(&device), weights: Weights::default() };
        }
        Ok(device)
    }

    async fn prepare(&self, device: &Rc<Device>, plan: Plan) -> Result<Executable, Fault> {
        let program = Program::new(&plan, &device.target()).map_err(|error| fault::lowering(&error))?;
        let pipelines = device.pipelines(&program.shaders).await?;
        let build = || Executable::new(device, program, &pipelines, &mut self.resident.borrow_mut().weights);
        device.watched(build).await
    }

    /// What runs these inputs, and the inputs as it takes them.
    async fn executable(&self, inputs: Vec<Tensor>) -> Result<(Rc<Executable>, Vec<Operand>), Fault> {
        let device = self.device().await?;
        let operands: Vec<Operand> = self.planned.operands(inputs)?;
        let prepare = async |plan| self.prepare(&device, plan).await;
        Ok((self.planned.prepared(&operands, prepare).await?, operands))
    }

    async fn compute(&self, inputs: Vec<Tensor>, wanted: &[&str]) -> Result<Vec<Tensor>, Fault> {
        let (executable, operands) = self.executable(inputs).await?;
        // From here to the submission nothing waits, so that runs in flight cannot mix.
        let outputs = executable.run(&operands, wanted)?.await?;
        Ok(planned::outputs(wanted, outputs))
    }
}

impl Session for WebgpuSession {
    fn contract(&self) -> &Contract {
        self.planned.contract()
    }

    fn run<'a>(
        &'a self,
        inputs: Vec<Tensor>,
        wanted: &'a [&'a str],
    ) -> LocalFuture<'a, Result<Vec<Tensor>, Fault>> {
        Box::pin(self.compute(inputs, wanted))
    }

    fn profile(&self, inputs: Vec<Tensor>) -> LocalFuture<'_, Result<Profile, Fault>> {
        Box::pin(async move {
            let (executable, operands) = self.executable(inputs).await?;
            if !executable.device().has_timestamps() {
                return Err(no_profile());
            }
            // The first run of a kernel may include its compilation.
            executable.profile(&operands).await?;
            executable.profile(&operands).await
        })
    }

    fn tune(&self, inputs: Vec<Tensor>, budget_millis: u32) -> LocalFuture<'_, Result<Tuned, Fault>> {
        Box::pin(async move {
            let (executable, _) = self.executable(inputs).await?;
            let device = executable.device();
            let trials = tune::tune(device, executable.tunables(), budget_millis).await?;
            let chosen = trials.iter().filter(|trial| trial.is_chosen);
            let chosen: Measured = chosen.map(|trial| (trial.key.clone(), trial.variant.clone())).collect();
            device.choices().measured.extend(choices::variants(&chosen));
            // Programs that were made before have the old variants.
            self.planned.forget();
            let is_kept = choices::keep(device.adapter(), chosen).await;
            Ok(Tuned { adapter: device.adapter().clone(), trials, is_kept })
        })
    }
}
